"""What a file may cost: bounds that every reader keeps, so that a hostile file is refused before it hurts."""

LARGEST_FILE = 50 * 1024 * 1024
"""The most bytes a file may have."""

MOST_CHARACTERS = 5_000_000
"""The most characters of text a file may hold: two thousand pages of print, five thousand passages."""

MOST_PAGES = 5_000
"""The most pages a PDF may have."""

MOST_PARTS = 5_000
"""The most files a DOCX, which is a ZIP archive, may hold."""

MOST_UNPACKED = 200 * 1024 * 1024
"""The most bytes that a DOCX may unpack to."""

READER_MEMORY = 1024 * 1024 * 1024
"""Bytes of address space of the process that reads a file."""

READER_SECONDS = 60
"""Seconds of processor time, and twice that by the clock, that reading a file may take."""
