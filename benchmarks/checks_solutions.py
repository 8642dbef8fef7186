"""The operations of `strategies/verifiable/operations.yaml` once more, in another style: mostly loops and statements.

`checks.py planted code` composes right solutions of these functions, and plants mistakes in them. Each is named after
its operation, and takes the value so far and the operation's parameters.
"""

# ruff: noqa: C416, C417, SIM110, SIM201


def multiples(values, k):
    kept = []
    for value in values:
        if value % k == 0:
            kept.append(value)
    return kept


def nonmultiples(values, k):
    return list(filter(lambda value: value % k, values))


def evens(values):
    return [value for value in values if not value & 1]


def odds(values):
    return [value for value in values if value & 1]


def above(values, k):
    kept = []
    for value in values:
        if value <= k:
            continue
        kept.append(value)
    return kept


def atmost(values, k):
    return [value for value in values if not value > k]


def between(values, a, b):
    kept = []
    for value in values:
        if value >= a and value <= b:
            kept.append(value)
    return kept


def squares(values):
    return list(map(lambda value: value**2, values))


def plus(values, k):
    result = []
    for value in values:
        result.append(value + k)
    return result


def minusfrom(values, k):
    return [-value + k for value in values]


def times(values, k):
    return [k * value for value in values]


def absolute(values):
    return [value if value >= 0 else -value for value in values]


def remainder(values, k):
    return [divmod(value, k)[1] for value in values]


def ascending(values):
    result = values.copy()
    result.sort()
    return result


def descending(values):
    result = list(values)
    result.sort()
    result.reverse()
    return result


def reversal(values):
    return list(reversed(values))


def unique(values):
    seen = set()
    result = []
    for value in values:
        if value not in seen:
            seen.add(value)
            result.append(value)
    return result


def repeated(values):
    counts = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return [value for value in values if counts[value] >= 2]


def everynth(values, k):
    return [values[index] for index in range(0, len(values), k)]


def everysecond(values):
    return [value for index, value in enumerate(values) if index % 2 == 1]


def dropfirst(values, k):
    return [value for index, value in enumerate(values) if index >= k]


def takefirst(values, k):
    result = []
    for value in values:
        if len(result) == k:
            break
        result.append(value)
    return result


def takelast(values, k):
    start = len(values) - k
    if start < 0:
        start = 0
    return values[start:]


def runningtotals(values):
    total = 0
    result = []
    for value in values:
        total += value
        result.append(total)
    return result


def runningmaxima(values):
    result = []
    for value in values:
        if result and result[-1] > value:
            result.append(result[-1])
        else:
            result.append(value)
    return result


def differences(values):
    return [values[index] - values[index - 1] for index in range(1, len(values))]


def windowsums(values, k):
    result = []
    start = 0
    while start + k <= len(values):
        total = 0
        for offset in range(k):
            total += values[start + offset]
        result.append(total)
        start += 1
    return result


def clampfrombelow(values, k):
    return [k if value < k else value for value in values]


def clampfromabove(values, k):
    return [k if value > k else value for value in values]


def digitsums(values):
    def digit_sum(number):
        total = 0
        number = abs(number)
        while number > 0:
            total += number % 10
            number //= 10
        return total

    return [digit_sum(value) for value in values]


def noneighbors(values):
    result = []
    for value in values:
        if not result or result[-1] != value:
            result.append(value)
    return result


def positionsproduct(values):
    return [values[index] * (index + 1) for index in range(len(values))]


def sum(values):
    total = 0
    for value in values:
        total += value
    return total


def product(values):
    result = 1
    for value in values:
        result *= value
    return result


def largest(values):
    if not values:
        return 0
    best = values[0]
    for value in values[1:]:
        if value > best:
            best = value
    return best


def smallest(values):
    if len(values) == 0:
        return 0
    return sorted(values)[0]


def length(values):
    count = 0
    for _ in values:
        count += 1
    return count


def distinct(values):
    return len(dict.fromkeys(values, True))


def spread(values):
    if not values:
        return 0
    ordered = sorted(values)
    return ordered[-1] - ordered[0]


def secondlargest(values):
    ordered = sorted(set(values), reverse=True)
    if len(ordered) < 2:
        return 0
    return ordered[1]


def mostfrequent(values):
    best = 0
    best_count = 0
    for value in sorted(values):
        count = values.count(value)
        if count > best_count:
            best = value
            best_count = count
    return best


def positionofmax(values):
    position = -1
    for index, value in enumerate(values):
        if position == -1 or value > values[position]:
            position = index
    return position


def alternating(values):
    total = 0
    sign = 1
    for value in values:
        total += sign * value
        sign = -sign
    return total


def lowermedian(values):
    if not values:
        return 0
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2 == 0:
        middle -= 1
    return ordered[middle]


def longestrise(values):
    longest = 0
    current = 0
    for index, value in enumerate(values):
        if index > 0 and value > values[index - 1]:
            current += 1
        else:
            current = 1
        if current > longest:
            longest = current
    return longest


def inversions(values):
    count = 0
    for i in range(len(values)):
        for j in range(i + 1, len(values)):
            if values[i] > values[j]:
                count += 1
    return count


def mean(values):
    if not values:
        return 0.0
    total = 0
    for value in values:
        total += value
    return total / len(values)


def joined(values, s):
    text = ""
    for index, value in enumerate(values):
        if index > 0:
            text += s
        text += str(value)
    return text


def parity(values):
    return ["even" if value % 2 == 0 else "odd" for value in values]


def frequencies(values):
    counts = {}
    for value in values:
        counts.setdefault(value, 0)
        counts[value] += 1
    return [(value, counts[value]) for value in sorted(counts)]


def positions(values):
    pairs = []
    for index in range(len(values)):
        if values[index]:
            pairs.append((index, values[index]))
    return pairs


def signs(values):
    result = {"negative": 0, "zero": 0, "positive": 0}
    for value in values:
        if value < 0:
            result["negative"] += 1
        elif value == 0:
            result["zero"] += 1
        else:
            result["positive"] += 1
    return result


def upper(values):
    return [str.upper(value) for value in values]


def lower(values):
    return list(map(str.lower, values))


def mirrored(values):
    return ["".join(reversed(value)) for value in values]


def atleast(values, k):
    return [value for value in values if not len(value) < k]


def shorter(values, k):
    kept = []
    for value in values:
        if len(value) < k:
            kept.append(value)
    return kept


def nonempty(values):
    return [value for value in values if len(value) > 0]


def containing(values, s):
    return [value for value in values if value.find(s) >= 0]


def without(values, s):
    return [value for value in values if value.count(s) == 0]


def starting(values, s):
    return [value for value in values if value[:1] in (s, s.upper())]


def uniquewords(values):
    result = []
    for value in values:
        if value not in result:
            result.append(value)
    return result


def alphabetical(values):
    result = list(values)
    result.sort()
    return result


def bylength(values):
    result = list(values)
    result.sort(key=lambda value: len(value))
    return result


def bylengthdown(values):
    result = sorted(values)
    result.sort(key=len, reverse=True)
    return result


def prefixes(values, k):
    return [value if len(value) <= k else value[0:k] for value in values]


def suffixes(values, k):
    return [value if len(value) <= k else value[len(value) - k :] for value in values]


def numbered(values):
    result = []
    number = 1
    for value in values:
        result.append(str(number) + ":" + value)
        number += 1
    return result


def novowels(values):
    result = []
    for value in values:
        kept = ""
        for char in value:
            if char.lower() not in ("a", "e", "i", "o", "u"):
                kept += char
        result.append(kept)
    return result


def lengths(values):
    return list(map(len, values))


def vowels(values):
    result = []
    for value in values:
        count = 0
        for char in value:
            if char in "aeiou" or char in "AEIOU":
                count += 1
        result.append(count)
    return result


def characters(values):
    return len("".join(values))


def glued(values, s):
    if not values:
        return ""
    text = values[0]
    for value in values[1:]:
        text = text + s + value
    return text


def longest(values):
    best = ""
    for value in values:
        if len(value) > len(best):
            best = value
    return best


def tally(values):
    counts = {}
    for value in values:
        if value in counts:
            counts[value] += 1
        else:
            counts[value] = 1
    return counts


def grouped(values):
    groups = {}
    for value in values:
        groups.setdefault(str(len(value)), []).append(value)
    return groups


def backwards(text):
    result = ""
    for char in text:
        result = char + result
    return result


def squeezed(text):
    result = ""
    for char in text:
        if not result or result[-1] != char:
            result += char
    return result


def vowelless(text):
    import re

    return re.sub("[aeiouAEIOU]", "", text)


def spacesto(text, s):
    return s.join(text.split(" "))


def rle(text):
    result = ""
    index = 0
    while index < len(text):
        count = 1
        while index + count < len(text) and text[index + count] == text[index]:
            count += 1
        result += f"{text[index]}{count}"
        index += count
    return result


def alternate(text):
    return "".join(char for index, char in enumerate(text) if index % 2 == 0)


def wordcount(text):
    count = 0
    inside = False
    for char in text:
        if char.isspace():
            inside = False
        elif not inside:
            inside = True
            count += 1
    return count


def vowelcount(text):
    count = 0
    for char in text:
        if char.lower() in "aeiou":
            count += 1
    return count


def splitspaces(text):
    return [part for part in text.split()]


def digits(text):
    return [ord(char) - ord("0") for char in text if "0" <= char <= "9"]


def scoring(records, k):
    return [record for record in records if not record["score"] < k]


def below(records, k):
    kept = []
    for record in records:
        if record["score"] >= k:
            continue
        kept.append(record)
    return kept


def fromcity(records, s):
    return list(filter(lambda record: record["city"] == s, records))


def byscore(records):
    result = sorted(records, key=lambda record: record["name"])
    return sorted(result, key=lambda record: record["score"], reverse=True)


def byname(records):
    result = records[:]
    result.sort(key=lambda record: record["name"])
    return result


def bonus(records, k):
    result = []
    for record in records:
        copy = dict(record)
        copy["score"] += k
        result.append(copy)
    return result


def firstpercity(records):
    seen = []
    result = []
    for record in records:
        if record["city"] not in seen:
            seen.append(record["city"])
            result.append(record)
    return result


def names(records):
    return [record.get("name") for record in records]


def scores(records):
    result = []
    for record in records:
        result.append(record["score"])
    return result


def scorebycity(records):
    totals = {}
    for record in records:
        totals[record["city"]] = totals.get(record["city"], 0) + record["score"]
    return totals


def bestbycity(records):
    best = {}
    for record in records:
        city = record["city"]
        if city not in best or record["score"] > best[city]:
            best[city] = record["score"]
    return best


def weekdays(dates):
    from datetime import datetime

    return [text for text in dates if datetime.strptime(text, "%Y-%m-%d").isoweekday() <= 5]


def later(dates, k):
    from datetime import date

    return [str(date.fromordinal(date.fromisoformat(text).toordinal() + k)) for text in dates]


def gaps(dates):
    from datetime import date

    days = [date.fromisoformat(text).toordinal() for text in dates]
    return [days[index + 1] - days[index] for index in range(len(days) - 1)]


def permonth(dates):
    counts = {}
    for text in dates:
        year, month, _ = text.split("-")
        key = year + "-" + month
        counts[key] = counts.get(key, 0) + 1
    return counts


def dayofmonth(dates):
    return [int(text.split("-")[2]) for text in dates]


def divisors(number):
    result = []
    candidate = 1
    while candidate <= number:
        if number % candidate == 0:
            result.append(candidate)
        candidate += 1
    return result


def primes(number):
    found = []
    for candidate in range(2, number + 1):
        is_prime = True
        for prime in found:
            if candidate % prime == 0:
                is_prime = False
                break
        if is_prime:
            found.append(candidate)
    return found


def countdown(number):
    result = []
    while number > 0:
        result.append(number)
        number -= 1
    return result


def collatz(number):
    result = [number]
    while number > 1:
        number = 3 * number + 1 if number % 2 else number // 2
        result.append(number)
    return result


def rotation(values, k):
    if len(values) < k:
        return values
    result = []
    for index in range(len(values)):
        result.append(values[(index + k) % len(values)])
    return result


def median(values):
    if not values:
        return 0.0
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2 == 1:
        return float(ordered[middle])
    return (ordered[middle - 1] + ordered[middle]) / 2


def issorted(values):
    return values == sorted(values)


def alldifferent(values):
    for index, value in enumerate(values):
        if value in values[index + 1 :]:
            return False
    return True


def runs(values):
    result = []
    for value in values:
        if result and result[-1][0] == value:
            result[-1] = (value, result[-1][1] + 1)
        else:
            result.append((value, 1))
    return result


def reorder(values):
    result = []
    for value in values:
        result.insert(0, value)
    return result


def palindromes(values):
    return [value for value in values if list(value) == list(reversed(value))]


def firstwords(values, k):
    return [value for index, value in enumerate(values) if index < k]


def countwords(values):
    count = 0
    for _ in values:
        count += 1
    return count


def distinctwords(values):
    seen = []
    for value in values:
        if value not in seen:
            seen.append(value)
    return len(seen)


def shortest(values):
    best = None
    for value in values:
        if best is None or len(value) <= len(best):
            best = value
    return best or ""


def initials(values):
    text = ""
    for value in values:
        text += value[:1]
    return text


def wordlengths(values):
    result = {}
    for value in values:
        result[value] = len(value)
    return result


def byinitial(values):
    counts = {}
    for value in values:
        if value != "":
            counts[value[0]] = counts.get(value[0], 0) + 1
    return counts


def anyrepeated(values):
    for value in values:
        if values.count(value) > 1:
            return True
    return False


def uppercase(text):
    return "".join(char.upper() for char in text)


def lowercase(text):
    return "".join(char.lower() for char in text)


def swapped(text):
    result = ""
    for char in text:
        if char.isupper():
            result += char.lower()
        elif char.islower():
            result += char.upper()
        else:
            result += char
    return result


def nodigits(text):
    import re

    return re.sub("[0-9]", "", text)


def splitcommas(text):
    parts = [""]
    for char in text:
        if char == ",":
            parts.append("")
        else:
            parts[-1] += char
    return parts


def codepoints(text):
    return list(map(ord, text))


def distinctcharacters(text):
    seen = ""
    for char in text:
        if char not in seen:
            seen += char
    return len(seen)


def ispalindrome(text):
    for index in range(len(text) // 2):
        if text[index] != text[-1 - index]:
            return False
    return True


def charactercounts(text):
    counts = {}
    for char in text:
        counts[char] = text.count(char)
    return counts


def notfrom(records, s):
    kept = []
    for record in records:
        if not record["city"] == s:
            kept.append(record)
    return kept


def topthree(records, k):
    return [record for index, record in enumerate(records) if index < k]


def cities(records):
    result = []
    for record in records:
        result.append(record["city"])
    return result


def namesbycity(records):
    result = {}
    for record in records:
        result.setdefault(record["city"], [])
        result[record["city"]].append(record["name"])
    return result


def inyear(dates, k):
    return [text for text in dates if text.startswith(k + "-")]


def weekends(dates):
    from datetime import datetime

    return [text for text in dates if datetime.strptime(text, "%Y-%m-%d").strftime("%w") in ("0", "6")]


def chronological(dates):
    from datetime import date

    return sorted(dates, key=date.fromisoformat)


def differentdates(dates):
    result = []
    for text in dates:
        if text not in result:
            result.append(text)
    return result


def monthstarts(dates):
    from datetime import date

    return [date.fromisoformat(text).replace(day=1).isoformat() for text in dates]


def dayofyear(dates):
    from datetime import date

    result = []
    for text in dates:
        day = date.fromisoformat(text)
        result.append((day - date(day.year, 1, 1)).days + 1)
    return result


def daysspanned(dates):
    from datetime import datetime

    if not dates:
        return 0
    days = sorted(datetime.strptime(text, "%Y-%m-%d") for text in dates)
    return (days[-1] - days[0]).days


def weekdaynames(dates):
    from datetime import datetime

    return [datetime.strptime(text, "%Y-%m-%d").strftime("%A") for text in dates]


def numberdigits(number):
    if number == 0:
        return [0]
    result = []
    while number:
        result.insert(0, number % 10)
        number //= 10
    return result


def binary(number):
    if number == 0:
        return "0"
    text = ""
    while number:
        text = str(number % 2) + text
        number //= 2
    return text
