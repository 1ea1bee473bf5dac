"""Words, sentences, cue words, vectors and token counts of English and Korean text."""
