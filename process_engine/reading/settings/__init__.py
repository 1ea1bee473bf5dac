"""What a definition says about its activities beside where tokens go.

extensions                     `zeebe:` extension elements
forms, mappings, loops         forms of people; ioMapping; multi-instance and loop markers
bindings                       what a call or rule task refers to
retry_settings, task_limits    what task headers say about attempts and limits
work_settings, activities      what a definition says about one task; about any activity
"""
