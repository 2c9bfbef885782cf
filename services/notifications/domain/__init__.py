"""The rules of mail: who is told what, once, and what became of it. Pure."""
