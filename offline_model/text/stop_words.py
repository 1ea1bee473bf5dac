"""Words that carry no subject: they are left out of search terms and scores."""

_ENGLISH = """
a about above after again all also am an and any are as at be because been before being below between both but by can
could did do does doing down during each either else ever few for from further get gets getting give given go goes got
had happen happens has have having he hello her here hers hi him his how however i if in into is it its itself just
let like long make many me more most much my myself need needs no nor not now of off on once one only or other our
ours out over per please put same see she should so some such take takes taking thank thanks than that the their
theirs them then there these they this those through to too under until up upon us use used using very want wants was
way we were what when where whether which while who whom whose why will with within without would yes you your yours
yourself i'm i've i'd i'll it's don't doesn't didn't can't cannot won't isn't aren't wasn't we're we've you're that's
what's dear regards sincerely kind
"""

_KOREAN = """
그리고 그러나 하지만 그래서 또는 또한 및 등 이 그 저 것 수 때 좀 더 안 못 잘 제 저는 제가 나는 내가 우리 저희
여기 거기 있습니다 있나요 있는 있을까요 없습니다 없나요 합니다 하나요 해요 하는 하면 하려면 해서 했는데 됩니다 되나요
돼요 되는 되면 입니다 인가요 무엇 무엇인가요 뭐 어떻게 왜 언제 어디 어디서 누가 얼마나 주세요 부탁드립니다 부탁
안녕하세요 감사합니다 대한 대해 대하여 관한 관해 관련 위한 위해 경우 문의드립니다 궁금합니다 싶습니다 싶어요
"""

_ORDERS = """
add answer answers ask asked base based brief classify consult context describe document documents draft drafts explain
find following include includes input instruction knowledge look mention mentions name output question report request
research respond reply return save say says search store summarise summarize summary task tell write
답변 초안 작성 작성해 언급 추가 포함 요청 질문 문의 다음 문서 알려 알려주세요 알려줘 검색 조사 요약 저장
"""

STOP_WORDS = frozenset(_ENGLISH.split()) | frozenset(_KOREAN.split())
"""Words that tie a sentence together."""

ORDER_WORDS = STOP_WORDS | frozenset(_ORDERS.split())
"""Also the words by which a model is told what to do; only in an order do they say nothing about the subject."""
