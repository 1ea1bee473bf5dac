"""Reading documents for the knowledge base: files into text, text into chunks, chunks into vectors.

read_file.py     a file's bytes -> SourceText (Markdown, plain text, HTML, PDF, DOCX)
chunks.py        text -> chunks of about a page's third, each under its heading
file_reader.py   both, for a file from a stranger: in a bounded process of its own (reading_child.py)
embed.py         texts -> vectors, by an OpenAI-compatible embeddings endpoint
"""
