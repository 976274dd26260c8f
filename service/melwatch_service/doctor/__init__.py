"""The self-check: facts gathered at the edge, pure judgements over them, one module for each subject."""
