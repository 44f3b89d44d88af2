"""The table of cases: commands and what Redis 7.0 answers, in redis_cases.txt.

    # name      a section: empty databases and a new connection
    > command   in the words of redis-cli
    < reply     of Redis, as redis_wire.py writes it
    ! reply     ours, where it differs and is meant to
"""


class Case:
    def __init__(self, section, line):
        self.section = section
        self.line = line
        self.redis = None
        self.ours = None

    def want(self):
        return self.redis if self.ours is None else self.ours


def load(path):
    cases, section = [], None
    with open(path, encoding="utf-8") as file:
        for text in file:
            text = text.rstrip("\n")
            if text.startswith("# "):
                section = text[2:]
            elif text.startswith("> "):
                cases.append(Case(section, text[2:]))
            elif text.startswith("< "):
                cases[-1].redis = text[2:]
            elif text.startswith("! "):
                cases[-1].ours = text[2:]
    return cases


def save(path, cases):
    section = None
    with open(path, "w", encoding="utf-8") as file:
        for case in cases:
            if case.section != section:
                section = case.section
                file.write("# %s\n" % section)
            file.write("> %s\n< %s\n" % (case.line, case.redis))
            if case.ours is not None:
                file.write("! %s\n" % case.ours)
