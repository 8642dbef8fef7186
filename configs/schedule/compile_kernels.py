"""Compile the code that compares texts, which `dedup`, `merge`, and runs do otherwise when they have enough of them.

The Dockerfile runs this file once, so that no container has to. The compiled code is in $NUMBA_CACHE_DIR.
"""

from selfinstruct.novelty import Join, NoveltyIndex
from selfinstruct.novelty.index import SWITCH_AT

# Enough texts, of more words than the first table of words holds; a long one takes another path.
words = "name list three rivers hills of in the north south and why 写 诗".split()
texts = [" ".join(words[number // 7**place % 7 + place] for place in range(7)) for number in range(SWITCH_AT + 300)]
texts += [f"river{number} hill{number}" for number in range(2000)]
texts.append(" ".join(f"word{number}" for number in range(300)))

# Compare a whole set, as `dedup` and `merge` do; then one text at a time, as a run does.
join = Join(0.7, workers=2)
join.add_references(texts[:10])
join.add(texts)
join.run()
for nearest in ("always", "refused"):
    index = NoveltyIndex(0.99, nearest=nearest)
    for number, text in enumerate(texts):
        if index.check(text).ok:
            index.admit(str(number), text)
