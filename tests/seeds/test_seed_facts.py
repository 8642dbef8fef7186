"""What the English seeds claim is true: their code runs, their sums are computed again."""

import csv
import io
import itertools
import json
import math
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest
import yaml

SEEDS = Path(__file__).parents[2] / "seeds" / "en.jsonl"
LINES = SEEDS.read_text(encoding="utf-8").strip().split("\n")
TASKS: dict[str, dict[str, Any]] = {task["name"]: task for task in map(json.loads, LINES)}


def given(name: str, instance: int = 0) -> str:
    """The input of one instance."""
    return str(TASKS[name]["instances"][instance]["input"])


def output(name: str, instance: int = 0) -> str:
    """The output of one instance."""
    return str(TASKS[name]["instances"][instance]["output"])


def code(name: str, language: str) -> str:
    """The first fenced block in the output; fails when there is none."""
    block = re.search(rf"^```{language}\n(.*?)^```$", output(name), re.DOTALL | re.MULTILINE)
    assert block, f"{name}: no {language} block"
    return block[1]


def python(source: str) -> dict[str, Any]:
    """The names that a piece of Python defines."""
    names: dict[str, Any] = {}
    exec(source, names)
    return names


def shell(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command; skip the test where the program is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def javascript(source: str, expression: str) -> Any:
    """The value of an expression after a script has run in node."""
    done = shell("node", "-e", f"{source}\nconsole.log(JSON.stringify({expression}))")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def states(text: str, number: str) -> bool:
    """Whether a number stands in a text as a whole, not as a part of a longer one."""
    return bool(re.search(rf"(?<![\d.,]){re.escape(number)}(?!\d|[.,]\d)", text))


# Code


def test_free_slots_agree_with_counting_single_minutes() -> None:
    free_slots = python(code("free_court_slots", "python"))["free_slots"]
    spans = [(start, end) for start in range(8) for end in range(start + 1, 9)]
    for bookings in itertools.combinations(spans, 2):
        free = [m for m in range(2, 7) if not any(s <= m < e for s, e in bookings)]
        runs = [[m for _, m in g] for _, g in itertools.groupby(enumerate(free), lambda p: p[1] - p[0])]
        expected = [(run[0], run[-1] + 1) for run in runs if len(run) >= 2]
        assert free_slots(list(bookings[::-1]), 2, 7, 2) == expected
    assert free_slots([], 480, 780, 60) == [(480, 780)]
    assert str(free_slots([(590, 660), (540, 600)], 480, 780, 60)) in output("free_court_slots")


def test_to_seconds_takes_parts_in_order_and_nothing_else() -> None:
    to_seconds = python(code("duration_to_seconds", "python"))["to_seconds"]
    good = {"1h 20m 5s": 4805, "1h 20m": 4800, "1h20m": 4800, "90m": 5400, "2h 5s": 7205, "0s": 0, " 7s\n": 7}
    assert {text: to_seconds(text) for text in good} == good
    for bad in ("", "  ", "5", "5s 1h", "1h later", "1.5h", "-5s", "1h 2h", "h", "٣s"):
        with pytest.raises(ValueError, match="not a duration"):
            to_seconds(bad)


@pytest.mark.parametrize("limit", [0, 1, 2, 10])
@pytest.mark.parametrize("text", ["", "12!", "b a B c a d", "The cat, the constructor; THE END cat's", "öl x"])
def test_top_words_is_the_same_in_python_and_javascript(text: str, limit: int) -> None:
    top_words = python(code("port_top_words", "python"))["top_words"]
    there = javascript(given("port_top_words"), f"topWords({json.dumps(text)}, {limit})")
    assert [list(pair) for pair in top_words(text, limit)] == there


def test_expired_coupons_survive_only_before_the_repair() -> None:
    broken = python(given("surviving_coupons_bug"))["drop_expired"]
    repaired = python(code("surviving_coupons_bug", "python"))["drop_expired"]
    days = [1, 2, 5, 3, 9, 4]
    assert [c["expires"] for c in broken([{"expires": d} for d in days], 5)] == [2, 5, 9]
    assert [c["expires"] for c in repaired([{"expires": d} for d in days], 5)] == [5, 9]


def test_log_pipeline_prints_what_is_shown(tmp_path: Path) -> None:
    shown = [line.split() for line in code("explain_log_pipeline", "").splitlines()]
    requests = [address for count, address in [*shown, ("2", "192.0.2.1")] for _ in range(int(count))]
    (tmp_path / "access.log").write_text("".join(f"{a} - - GET /\n" for a in requests[::-1]))
    done = shell("bash", "-c", given("explain_log_pipeline"), cwd=tmp_path)
    assert [line.split() for line in done.stdout.splitlines()] == shown


def test_loans_query_keeps_members_without_loans() -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(given("sql_loans_per_member"))
    db.executemany("INSERT INTO members VALUES (?, ?)", [(1, "Ida"), (2, "Ravi"), (3, "Ida"), (4, "Bo")])
    days = [(1, "2021-12-31"), (1, "2022-01-01"), (1, "2022-12-31"), (2, "2023-01-01"), (3, "2022-06-05")]
    db.executemany("INSERT INTO loans (member_id, borrowed_on) VALUES (?, ?)", days)
    rows = db.execute(code("sql_loans_per_member", "sql")).fetchall()
    assert rows == [("Ida", 2), ("Ida", 1), ("Bo", 0), ("Ravi", 0)]


def test_meter_query_never_mixes_meters() -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(given("sql_meter_usage"))
    rows = [(2, "2020-01-10", 50), (1, "2020-02-01", 130), (1, "2020-01-01", 100), (1, "2020-03-01", 130)]
    db.executemany("INSERT INTO readings VALUES (?, ?, ?)", [*rows, (3, "2020-01-01", 7), (2, "2020-01-12", 58)])
    assert db.execute(code("sql_meter_usage", "sql")).fetchall() == [
        (1, "2020-01-01", "2020-02-01", 30),
        (1, "2020-02-01", "2020-03-01", 0),
        (2, "2020-01-10", "2020-01-12", 8),
    ]


def test_part_number_regex() -> None:
    pattern = re.compile(code("part_number_regex", "regex").strip())
    accepted = ("KD-4071", "KD-4071/b", "AZ-1000/z")
    refused = (
        "KD-0471",
        "kd-4071",
        "KD-4071/",
        "KD-40711",
        "KD-4071/B",
        "KD4071",
        "K-4071",
        "KD-407",
        "xKD-4071",
        "",
    )
    assert all(pattern.fullmatch(text) for text in accepted)
    assert not any(pattern.fullmatch(text) for text in refused)


def test_mkback_packs_a_directory_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "my notes").mkdir()
    (tmp_path / "my notes" / "a.txt").write_text("hello")
    source = "set -eu\n" + code("bash_dated_archive", "bash")
    done = shell("bash", "-c", f"{source}\nmkback 'my notes/'", cwd=tmp_path)
    archive = Path(done.stdout.strip())
    assert archive.parent == tmp_path
    assert re.fullmatch(r"my notes-\d{4}-\d\d-\d\d\.tar\.gz", archive.name)
    assert shell("tar", "-tzf", str(archive)).stdout.splitlines() == ["my notes/", "my notes/a.txt"]
    for argument in ("missing", "'my notes/a.txt'", ""):
        refused = shell("bash", "-c", f"{source}\nmkback {argument}", cwd=tmp_path)
        assert refused.returncode == 1
        assert "not a directory" in refused.stderr
        assert not refused.stdout


def test_countdown_label() -> None:
    labels = {
        -3: "0 s",
        0: "0 s",
        47: "47 s",
        47.9: "47 s",
        59: "59 s",
        60: "1 min",
        720: "12 min",
        3599: "59 min",
    }
    labels |= {3600: "1 h 00 min", 7500: "2 h 05 min", 7559: "2 h 05 min", 90000: "25 h 00 min"}
    calls = ", ".join(f"countdownLabel({seconds})" for seconds in labels)
    assert javascript(code("js_countdown_label", "javascript"), f"[{calls}]") == list(labels.values())
    for seconds, label in re.findall(r"^\| ([\d.]+) \| (.+) \|$", output("js_countdown_label"), re.MULTILINE):
        assert labels[float(seconds)] == label


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_moving_average_is_the_mean_of_the_last_n(n: int) -> None:
    moving_average = python(code("moving_average_generator", "python"))["moving_average"]
    values = [4, 8, 6, 2, 2, 11]
    assert list(moving_average(iter(values), n)) == [mean(values[max(0, i - n) : i]) for i in range(1, 7)]
    assert str(list(moving_average([4, 8, 6, 2], 2))) in output("moving_average_generator")
    with pytest.raises(ValueError, match="at least 1"):
        next(moving_average(values, 0))


@pytest.mark.parametrize("total", [-1, 0, 1, 899, 900, 901])
def test_flattened_shipping_fee_is_unchanged(total: int) -> None:
    before = python(given("flatten_shipping_fee"))["shipping_fee"]
    after = python(code("flatten_shipping_fee", "python"))["shipping_fee"]
    for country, express in itertools.product(("NO", "DE"), (True, False)):
        order = {"total": total, "country": country, "express": express}
        assert after(order) == before(order)
    assert after({"total": 5, "country": "NO"}) == 79  # "express" is not read for domestic orders


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "passes"),
    [
        ("", "", True),
        (".upper()", "", False),
        ('.replace("-", " ")', "", False),
        ("split()", 'split(" ")', False),
    ],
)
def test_tests_for_initials_pass_and_catch_mutants(tmp_path: Path, old: str, new: str, passes: bool) -> None:
    (tmp_path / "names.py").write_text(given("pytest_for_initials").replace(old, new), encoding="utf-8")
    (tmp_path / "test_names.py").write_text(code("pytest_for_initials", "python"), encoding="utf-8")
    done = shell(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", cwd=tmp_path)
    assert done.returncode == (0 if passes else 1), done.stdout


# Maths and logic


def series(start: int, step: Callable[[int, int], int], length: int) -> list[int]:
    """The first terms of a sequence in which each term follows from the one before and its index."""
    return list(itertools.accumulate(range(1, length), step, initial=start))


SEQUENCES = [
    series(3, lambda term, i: term + i * i, 7),
    series(81, lambda term, i: term // 3 if i % 2 else term * 2, 7),
    series(2, lambda term, _: 2 * term + 1, 7),
]
RING_M2 = math.pi * ((4.5 + 1.2) ** 2 - 4.5**2)
KAYAKS = {"".join(letters) for letters in itertools.permutations("KAYAK")}
WAITS, SEEDLINGS = [4, 6, 5, 7, 48, 6, 8], [11, 13, 12, 14, 12, 13, 9, 12]
TOGETHER = [m for m in range(1, 16 * 60) if m % 12 == m % 18 == m % 20 == 0]
LUCKY_DRAWS = 1 - Fraction(math.comb(35, 3), math.comb(40, 3))
CATCH_UP_H = next(Fraction(m, 60) for m in range(600) if 24 * Fraction(m, 60) == 18 * Fraction(m + 20, 60))
LOCK_CODES = [
    f"{a}{b}{c}"
    for a, b, c in itertools.permutations(range(10), 3)
    if a + b + c == 15 and b == 2 * a and c in (2, 3, 5, 7)
]


@pytest.mark.parametrize(
    ("name", "instance", "answers"),
    [
        ("ferry_children", 0, [c for c in range(185) if 7.5 * (184 - c) + 4 * c == 1219]),
        ("salt_solution_mix", 0, [x for x in range(100) if 5 * 12 + 30 * x == 20 * (12 + x)]),
        ("raffle_at_least_one", 0, [f"{float(LUCKY_DRAWS):.1%}"]),
        ("imperial_to_metric", 0, [f"{2.5 * 0.45359237:.1f}", f"{(375 - 32) * 5 / 9:.1f}"]),
        ("imperial_to_metric", 0, [f"{14 * 2.54:.1f}", f"{3 * 236.5882365:.1f}"]),
        (
            "imperial_to_metric",
            1,
            [f"{1850 * 0.3048:.1f}", f"{6.2 * 1.609344:.1f}", f"{3 * 0.946352946:.1f}"],
        ),
        (
            "cyclist_catches_up",
            0,
            [f"{datetime(2020, 1, 1, 8, 30) + timedelta(hours=float(CATCH_UP_H)):%-H:%M}"],
        ),
        ("cyclist_catches_up", 0, [24 * CATCH_UP_H]),
        ("three_digit_lock", 0, LOCK_CODES),
        ("sequence_rule", 0, SEQUENCES[0][5:]),
        ("sequence_rule", 1, SEQUENCES[1][5:]),
        ("sequence_rule", 2, SEQUENCES[2][5:]),
        ("gravel_ring_bags", 0, [math.ceil(RING_M2 * 45 / 25)]),
        (
            "fall_and_rise_percent",
            0,
            [f"{260 * 0.8:.2f}", f"{260 * 0.8 * 1.2:.2f}", "4%", f"{1 / 0.8 - 1:.0%}"],
        ),
        ("mean_median_range", 0, [mean(WAITS), median(WAITS), max(WAITS) - min(WAITS)]),
        (
            "mean_median_range",
            1,
            [mean(SEEDLINGS), f"{median(SEEDLINGS):.0f}", max(SEEDLINGS) - min(SEEDLINGS)],
        ),
        ("kayak_arrangements", 0, [len(KAYAKS), sum(word == word[::-1] for word in KAYAKS)]),
        ("three_bus_lines", 0, [f"{6 + m // 60:02}:{m % 60:02}" for m in TOGETHER]),
        ("solve_and_check", 0, [x for x in range(-99, 99) if 5 * (x - 3) == 2 * x + 9]),
        (
            "solve_and_check",
            1,
            [f"x = {x}".replace("-", "−") for x in range(-99, 99) if x * x - 3 * x - 28 == 0],
        ),
        (
            "solve_and_check",
            2,
            [f"x = {Fraction(x, 3)}".replace("-", "−") for x in range(-99, 99) if abs(x + 2) == 14],
        ),
    ],
)
def test_the_computed_answer_stands_in_the_conclusion(name: str, instance: int, answers: list[object]) -> None:
    conclusion = " ".join(re.findall(r"\*\*(.+?)\*\*", output(name, instance))) or output(name, instance)
    assert answers
    for answer in answers:
        assert states(conclusion, str(answer)), f"{answer} is not in {conclusion!r}"


def test_numbers_on_the_way_to_the_answers() -> None:
    after_fall = 260 * 80 // 100
    phrases = [
        ("gravel_ring_bags", f"12.24 ≈ {RING_M2:.2f} m²"),
        ("gravel_ring_bags", f"{RING_M2:.2f} m² × 45 kg/m² ≈ {round(RING_M2 * 45, -1):,.0f} kg"),
        ("raffle_at_least_one", str(LUCKY_DRAWS)),
        ("fall_and_rise_percent", f"{260 - after_fall * 1.2:.2f}"),
        ("fall_and_rise_percent", f"{1 - 0.8 * 1.2:.0%} of £260"),
        ("fall_and_rise_percent", f"ends at {0.8 * 1.2:.0%}"),
        ("fall_and_rise_percent", f"from £{after_fall} back to £260"),
        ("fall_and_rise_percent", f"rise by £{260 - after_fall}"),
        ("markup_and_margin", f"{6 * 1.4:.2f}"),
        ("markup_and_margin", f"{0.4 / 1.4:.1%}"),
    ]
    for name, phrase in phrases:
        assert states(output(name), phrase), phrase
    for instance, values in enumerate((WAITS, SEEDLINGS)):
        answers = re.findall(r"\*\*(\d+)\*\*", output("mean_median_range", instance))
        assert [int(answer) for answer in answers] == [mean(values), median(values), max(values) - min(values)]
    assert given("mean_median_range", 0).endswith(": " + ", ".join(map(str, WAITS)))
    assert given("mean_median_range", 1).endswith(": " + ", ".join(map(str, SEEDLINGS)))
    assert [given("sequence_rule", i) for i in range(3)] == [", ".join(map(str, s[:5])) for s in SEQUENCES]
    assert all(word in output("kayak_arrangements") for word in KAYAKS if word == word[::-1])


def test_floors_puzzle_has_one_solution_and_it_is_given() -> None:
    solutions = [(a, b, c, d) for a, b, c, d in itertools.permutations((1, 2, 3, 4)) if a > c and d == b + 1 and c != 1]
    table = re.findall(r"^\| (\d) \| (\w+) \|$", output("four_floors_puzzle"), re.MULTILINE)
    floor = {resident: int(number) for number, resident in table}
    assert [(floor["Alma"], floor["Bruno"], floor["Chidi"], floor["Dora"])] == solutions


def value(expression: str) -> Fraction:
    """An expression as printed (× ÷ − ² % π), computed without rounding."""
    source = re.sub(r"\d+(\.\d+)?", r'Fraction("\g<0>")', expression)
    for printed, operator in {"×": "*", "÷": "/", "−": "-", "²": "**2", "%": "/100", "π": "pi"}.items():
        source = source.replace(printed, operator)
    result = eval(source, {"Fraction": Fraction, "pi": Fraction(math.pi)})
    assert isinstance(result, Fraction)
    return result


def equalities(text: str) -> Iterator[tuple[str, str, str]]:
    """Every `a = b` and `a ≈ b` in a text of which both sides are plain numbers and operators."""
    expression = r"[\dπ(](?:[\d.()+−×÷/²π ]*[\d)²])?"
    plain = re.sub(r"\*\*|[£€]|(?<=\d),(?=\d{3})", "", text)
    for line in plain.splitlines():
        sides = re.split(r"\s*([=≈])\s*", line)
        for left, sign, right in zip(sides[::2], sides[1::2], sides[2::2], strict=False):
            before = re.search(rf"(?:^|[a-z:,] )({expression})$", left)
            after = re.match(rf"{expression}%?(?![\w²])(?! [+−×÷/])", right)
            if before and after:
                yield before[1], sign, after[0]


WORKED = [
    "ferry_children",
    "salt_solution_mix",
    "raffle_at_least_one",
    "imperial_to_metric",
    "cyclist_catches_up",
]
WORKED += [
    "sequence_rule",
    "gravel_ring_bags",
    "fall_and_rise_percent",
    "mean_median_range",
    "kayak_arrangements",
]
WORKED += ["three_bus_lines", "solve_and_check", "markup_and_margin"]


@pytest.mark.parametrize("name", WORKED)
def test_every_equality_in_the_working_holds(name: str) -> None:
    found = [e for i in range(len(TASKS[name]["instances"])) for e in equalities(output(name, i))]
    assert found
    for left, sign, right in found:
        digits = len(right.strip("%").partition(".")[2]) + 2 * right.endswith("%")
        tolerance = Fraction(1, 2 * 10**digits) if sign == "≈" else 0
        assert abs(value(left) - value(right)) <= tolerance, f"{left} {sign} {right}"


def test_trade_example_gains_in_both_goods() -> None:
    apart = (4 * 6 + 4 * 2, 4 * 3 + 4 * 2)
    together = (6 * 6, 2 * 3 + 8 * 2)
    assert all(after > before for before, after in zip(apart, together, strict=True))
    for cheeses, jumpers in (apart, together):
        assert f"{cheeses} cheeses and {jumpers} jumpers" in output("gain_from_trade")


# Data formatting


def test_stock_csv_and_json_hold_the_same_rows() -> None:
    rows = json.loads(output("stock_csv_to_json"))
    for row, cells in zip(rows, csv.DictReader(io.StringIO(given("stock_csv_to_json"))), strict=True):
        assert list(row) == list(cells)
        assert (row["sku"], row["product"]) == (cells["sku"], cells["product"])
        assert row["quantity"] == (int(cells["quantity"]) if cells["quantity"] else None)
        assert row["price"] == (float(cells["price"]) if cells["price"] else None)


def test_boats_arrive_after_the_stated_time() -> None:
    out, back = timedelta(minutes=35), timedelta(minutes=40)
    trips = [("Kirkvik", "Langholm", h, m, out) for h, m in ((7, 15), (16, 40))]
    trips += [("Langholm", "Kirkvik", h, m, back) for h, m in ((9, 0), (18, 25))]
    rows = []
    for start, end, hour, minute, duration in trips:
        departs = datetime(2020, 1, 1, hour, minute)
        rows.append(f"| {start} | {end} | {departs:%H:%M} | {departs + duration:%H:%M} |")
    assert sorted(output("boat_times_table").splitlines()[2:]) == sorted(rows)


def test_yaml_holds_the_same_values_as_the_json() -> None:
    assert yaml.safe_load(output("library_json_to_yaml")) == json.loads(given("library_json_to_yaml"))


def test_dates_are_day_first() -> None:
    formats = ["%d/%m/%Y", "%d %b %Y", "the %dth of %B, %Y", "%d-%m-%Y", "%A, %d %B %Y", "%d.%m.%Y"]
    lines = given("dates_to_iso").splitlines()
    dates = [datetime.strptime(line, form).date() for line, form in zip(lines, formats, strict=True)]
    assert output("dates_to_iso").splitlines() == [day.isoformat() for day in dates]
    assert f"{date(1996, 3, 1):%A}" == "Friday"


def test_contacts_are_quoted_only_where_necessary() -> None:
    text = output("contact_notes_to_csv")
    rows = list(csv.reader(io.StringIO(text), strict=True))
    again = io.StringIO()
    csv.writer(again, lineterminator="\n").writerows(rows)
    assert again.getvalue().strip() == text
    assert {len(row) for row in rows} == {3}
    assert rows[0] == ["name", "city", "phone"]
    assert all(cell in given("contact_notes_to_csv") for row in rows[1:] for cell in row)


def test_outline_holds_exactly_the_trails_in_order() -> None:
    trails = [tuple(line.split(" > ")) for line in given("breadcrumbs_to_outline").splitlines()]
    expected = sorted({trail[:depth] for trail in trails for depth in range(1, len(trail) + 1)})
    bullets = [f"{'  ' * (len(path) - 1)}- {path[-1]}" for path in expected]
    assert output("breadcrumbs_to_outline").splitlines() == bullets


@pytest.mark.parametrize(("instance", "leaving"), [(0, date(2019, 5, 17)), (1, date(2021, 8, 4))])
def test_bookings_count_the_nights(instance: int, leaving: date) -> None:
    booking = json.loads(output("booking_email_to_json", instance))
    assert list(booking) == ["guest", "arrival", "nights", "room", "breakfast"]
    assert date.fromisoformat(booking["arrival"]) + timedelta(days=booking["nights"]) == leaving
    assert booking["guest"] in given("booking_email_to_json", instance)
    assert f"{date(2019, 5, 14):%A}" == "Tuesday"
