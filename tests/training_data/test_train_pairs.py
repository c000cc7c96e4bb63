# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The 100 hand-written training pairs: runnable, decided by their question, and derived a second time.

`DERIVATIONS` answers every question by another route than gold (a correlated subquery for a window, a join for NOT
IN, arithmetic for a date function), so that an error in gold shows as two results that differ. Which SQL the golds
exercise is tested in `test_train_pairs_coverage.py`, the pairs made by grammar in `test_build_questions.py`.
"""

import json
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

Row = dict[str, str]
Values = list[tuple[object, ...]]
PAIRS_FILE = Path(__file__).resolve().parents[2] / "projects" / "arctic_text2sql_r1" / "training_data" / "train.json"
PAIRS: list[Row] = json.loads(PAIRS_FILE.read_text(encoding="utf-8"))
LEVELS = ("easy", "medium", "hard", "extra")
each_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["id"])

DERIVATIONS = {
    "train-001": "SELECT name FROM artist EXCEPT SELECT name FROM artist WHERE country <> 'Japan'",
    "train-002": "SELECT COUNT(*) - COUNT(price) FROM concert",
    "train-003": "SELECT title, year FROM album WHERE NOT year >= 1990",
    "train-004": "SELECT name, capacity FROM venue WHERE INSTR(name, CHAR(34)) > 0 AND capacity >= 4001",
    "train-005": """SELECT name, n FROM (SELECT name, (SELECT COUNT(*) FROM album WHERE artist_id = artist.id) AS n
        FROM artist) WHERE n >= 4""",
    "train-006": """SELECT name, (SELECT COUNT(*) FROM album WHERE artist_id = a.id) FROM artist AS a WHERE country
        = 'Brazil'""",
    "train-007": "SELECT name FROM artist LEFT JOIN concert ON artist_id = artist.id WHERE concert.id IS NULL",
    "train-008": "SELECT SUBSTR(date, 1, 4), SUM(sold) FROM concert GROUP BY 1",
    "train-009": """SELECT name FROM artist WHERE (SELECT COUNT(DISTINCT city) FROM concert JOIN venue ON venue_id
        = venue.id WHERE artist_id = artist.id AND city IN ('Zürich', 'Cairo')) = 2""",
    "train-010": """SELECT id, (SELECT name FROM venue WHERE id = venue_id), sold - (SELECT capacity FROM venue
        WHERE id = venue_id) AS over FROM concert WHERE date >= '2024-01-01' AND over > 0""",
    "train-011": """WITH r AS (SELECT artist_id AS a, SUM(COALESCE(price, 0) * sold) AS v FROM concert GROUP BY 1)
        SELECT (SELECT name FROM artist WHERE id = a), v FROM r WHERE (SELECT COUNT(*) FROM r AS o WHERE o.v > r.v)
        < 3""",
    "train-012": """SELECT city, name, capacity FROM venue AS v WHERE NOT EXISTS (SELECT 1 FROM venue AS o WHERE
        o.city = v.city AND o.capacity > v.capacity)""",
    "train-013": """WITH q AS (SELECT date, sold FROM concert WHERE venue_id = (SELECT id FROM venue WHERE name =
        'Queen''s Palace')) SELECT date, sold, (SELECT SUM(sold) FROM q AS e WHERE e.date <= q.date) FROM q""",
    "train-014": "SELECT name, hired FROM employee WHERE SUBSTR(hired, 1, 4) = '2024'",
    "train-015": """SELECT ROUND(1.0 * SUM(salary) / COUNT(salary), 2) FROM employee WHERE role = 'Engineer' AND
        salary IS NOT NULL""",
    "train-016": "SELECT DISTINCT city FROM (SELECT city FROM employee UNION ALL SELECT city FROM department)",
    "train-017": "SELECT name, role, salary FROM employee WHERE city LIKE 'L_Aquila' AND COALESCE(salary, 0) > 5000",
    "train-018": """SELECT name, n, ROUND(s * 1.0 / n, 1) FROM department JOIN (SELECT department_id AS d, COUNT(*)
        AS n, SUM(age) AS s FROM employee GROUP BY 1) ON d = id WHERE n > 4""",
    "train-019": """SELECT name, department.city FROM department LEFT JOIN project ON department_id = department.id
        WHERE project.id IS NULL""",
    "train-020": """SELECT status, COUNT(*) FROM project WHERE status IS NOT NULL GROUP BY status UNION ALL SELECT
        'Unknown', COUNT(*) - COUNT(status) FROM project""",
    "train-021": "SELECT DISTINCT city FROM department WHERE city NOT IN (SELECT city FROM employee)",
    "train-022": """SELECT name, salary FROM (SELECT name, role, salary, AVG(salary) OVER (PARTITION BY
        department_id) AS mean FROM employee) WHERE role = 'Manager' AND salary > mean""",
    "train-023": """SELECT name, ROUND((SELECT COUNT(*) FROM project WHERE department_id = d.id AND status =
        'Closed') * 100.0 / (SELECT COUNT(*) FROM project WHERE department_id = d.id), 1) FROM department AS d
        WHERE id IN (SELECT department_id FROM project)""",
    "train-024": """SELECT name, hired, title, started FROM employee, project WHERE employee.department_id =
        project.department_id AND JULIANDAY(hired) - JULIANDAY(started) >= 0 AND JULIANDAY(hired) -
        JULIANDAY(started) <= 60""",
    "train-025": """WITH g AS (SELECT title, started FROM project WHERE department_id = (SELECT id FROM department
        WHERE name = 'Global Sales')) SELECT title, started, (STRFTIME('%s', started) - STRFTIME('%s', (SELECT
        MAX(started) FROM g AS e WHERE e.started < g.started))) / 86400 FROM g""",
    "train-026": """SELECT title, pages FROM book EXCEPT SELECT title, pages FROM book WHERE pages <= 750 OR pages
        IS NULL""",
    "train-027": "SELECT SUM(returned IS NULL) FROM loan",
    "train-028": "SELECT name FROM author WHERE SUBSTR(name, 1, 5) = 'Chloé'",
    "train-029": """SELECT name, joined FROM member AS m WHERE (SELECT COUNT(*) FROM member AS o WHERE o.joined >
        m.joined) <= 2""",
    "train-030": """SELECT g, (SELECT COUNT(*) FROM book WHERE genre = g), (SELECT ROUND(1.0 * SUM(pages) /
        COUNT(*), 1) FROM book WHERE genre = g AND pages > 0) FROM (SELECT DISTINCT genre AS g FROM book)""",
    "train-031": "SELECT author.name FROM author JOIN member ON member.name = author.name",
    "train-032": "SELECT CAST(SUBSTR(year, 1, 3) || '0' AS INTEGER), COUNT(*) FROM book GROUP BY SUBSTR(year, 1, 3)",
    "train-033": """SELECT genre, ROUND(SUM(STRFTIME('%s', returned) - STRFTIME('%s', date)) / 86400.0 /
        COUNT(returned), 1) FROM book, loan WHERE book_id = book.id GROUP BY genre""",
    "train-034": """SELECT title, n FROM (SELECT title, (SELECT COUNT(*) FROM loan WHERE book_id = book.id) AS n
        FROM book) WHERE n > 6""",
    "train-035": """SELECT author.name FROM author JOIN book ON author_id = author.id LEFT JOIN loan ON book_id =
        book.id GROUP BY author.id HAVING COUNT(loan.id) = 0""",
    "train-036": """SELECT name, late FROM member JOIN (SELECT member_id AS m, SUM(JULIANDAY(returned) -
        JULIANDAY(date) > 21) AS late FROM loan GROUP BY 1) ON m = id WHERE late >= 3""",
    "train-037": """SELECT name FROM member AS m WHERE NOT EXISTS (SELECT language FROM book EXCEPT SELECT language
        FROM book JOIN loan ON book_id = book.id WHERE member_id = m.id)""",
    "train-038": """SELECT city, genre, COUNT(*) AS n FROM member AS m, loan, book WHERE member_id = m.id AND
        book_id = book.id GROUP BY city, genre HAVING n >= (SELECT MAX(k) FROM (SELECT o.city AS c, COUNT(*) AS k
        FROM member AS o, loan, book WHERE member_id = o.id AND book_id = book.id GROUP BY o.city, genre) WHERE c =
        m.city)""",
    "train-039": "SELECT name, salary FROM doctor WHERE (specialty, city) = ('Surgery', 'São Paulo')",
    "train-040": "SELECT (SELECT COUNT(*) FROM patient) - (SELECT COUNT(insurer) FROM patient)",
    "train-041": """SELECT DISTINCT diagnosis, minutes FROM visit AS v WHERE NOT EXISTS (SELECT 1 FROM visit AS o
        WHERE o.diagnosis = v.diagnosis AND o.minutes > v.minutes)""",
    "train-042": """SELECT insurer, COUNT(*), ROUND(SUM(age) * 1.0 / COUNT(*), 1) FROM patient WHERE insurer IS NOT
        NULL GROUP BY insurer UNION ALL SELECT 'None', COUNT(*), ROUND(SUM(age) * 1.0 / COUNT(*), 1) FROM patient
        WHERE insurer IS NULL""",
    "train-043": """SELECT diagnosis, SUM(COALESCE(cost, 0)) FROM visit WHERE date BETWEEN '2023-01-01' AND
        '2023-12-31' GROUP BY 1""",
    "train-044": "SELECT name, specialty FROM doctor WHERE id NOT IN (SELECT doctor_id FROM visit)",
    "train-045": """SELECT DISTINCT specialty, ROUND((SELECT SUM(minutes) FROM visit WHERE doctor_id IN (SELECT id
        FROM doctor WHERE specialty = d.specialty)) / 60.0, 1) FROM doctor AS d""",
    "train-046": """SELECT name, COUNT(*) FROM (SELECT DISTINCT patient_id, doctor_id FROM visit) JOIN patient ON
        id = patient_id GROUP BY patient_id HAVING COUNT(*) > 3""",
    "train-047": """SELECT DISTINCT name, ROUND(own, 2) FROM (SELECT doctor_id, AVG(minutes) OVER (PARTITION BY
        doctor_id) AS own, AVG(minutes) OVER () AS everyone FROM visit) JOIN doctor ON id = doctor_id WHERE own >
        everyone""",
    "train-048": """SELECT 'child', ROUND(AVG(cost), 2) FROM visit WHERE patient_id IN (SELECT id FROM patient
        WHERE age <= 17) UNION ALL SELECT 'adult', ROUND(AVG(cost), 2) FROM visit WHERE patient_id IN (SELECT id
        FROM patient WHERE age BETWEEN 18 AND 64) UNION ALL SELECT 'senior', ROUND(AVG(cost), 2) FROM visit WHERE
        patient_id IN (SELECT id FROM patient WHERE age >= 65)""",
    "train-049": """SELECT name FROM patient AS p WHERE EXISTS (SELECT 1 FROM visit WHERE patient_id = p.id AND
        doctor_id IN (SELECT id FROM doctor WHERE specialty = 'Surgery' AND city = p.city))""",
    "train-050": """SELECT name, a.date, MIN(b.date) FROM visit AS a JOIN visit AS b ON b.patient_id = a.patient_id
        AND b.date > a.date JOIN patient ON patient.id = a.patient_id GROUP BY name, a.date HAVING MIN(b.date) <=
        DATE(a.date, '+20 days')""",
    "train-051": "SELECT name, price FROM product WHERE category || '' = 'Kitchen' AND NOT price >= 100",
    "train-052": "SELECT COUNT(*) FROM customer WHERE CAST(STRFTIME('%Y', joined) AS INTEGER) <= 2017",
    "train-053": "SELECT name, country FROM supplier WHERE SUBSTR(name, -6) = '& Sons'",
    "train-054": "SELECT category, color, price FROM product WHERE name LIKE 'Soft%' || CHAR(34)",
    "train-055": """SELECT category, SUM(1), SUM(CASE WHEN stock IS NULL THEN 0 ELSE 1 END) FROM product GROUP BY
        category""",
    "train-056": "SELECT name, (SELECT COUNT(*) FROM product WHERE supplier_id = supplier.id) FROM supplier",
    "train-057": """SELECT name, price FROM product WHERE category = 'Garden' EXCEPT SELECT name, price FROM
        product JOIN purchase ON product_id = product.id""",
    "train-058": """SELECT color, SUM(stock) FROM product WHERE color IS NOT NULL GROUP BY color UNION ALL SELECT
        'No color', SUM(stock) FROM product WHERE color IS NULL""",
    "train-059": """SELECT category, SUM(price * q) FROM product JOIN (SELECT product_id AS k, SUM(quantity) AS q
        FROM purchase WHERE STRFTIME('%Y', date) = '2023' GROUP BY 1) ON k = id GROUP BY category""",
    "train-060": """SELECT name, price FROM product JOIN (SELECT supplier_id AS s, AVG(price) AS mean FROM product
        GROUP BY 1) ON s = supplier_id WHERE category = 'Office' AND price - mean > 0""",
    "train-061": """SELECT customer.name FROM customer JOIN purchase ON customer_id = customer.id JOIN product ON
        product_id = product.id GROUP BY customer.id HAVING SUM(category = 'Kitchen') > 0 AND SUM(category =
        'Garden') > 0 AND SUM(category = 'Office') = 0""",
    "train-062": """WITH m AS (SELECT CAST(SUBSTR(date, 6, 2) AS INTEGER) AS k, SUM(quantity) AS u FROM purchase
        WHERE SUBSTR(date, 1, 4) = '2024' GROUP BY 1) SELECT PRINTF('2024-%02d', a.k), a.u, a.u - b.u FROM m AS a
        LEFT JOIN m AS b ON b.k = a.k - 1""",
    "train-063": """WITH m(k) AS (VALUES ('01'), ('02'), ('03'), ('04'), ('05'), ('06'), ('07'), ('08'), ('09'),
        ('10'), ('11'), ('12')) SELECT '2023-' || k, (SELECT COUNT(*) FROM purchase WHERE date LIKE '2023-' || k ||
        '-%' AND customer_id IN (SELECT id FROM customer WHERE city = 'Lima')) FROM m""",
    "train-064": "SELECT title, credits FROM course WHERE credits > 24",
    "train-065": """SELECT c, (SELECT COUNT(*) FROM student WHERE club = c) FROM (SELECT DISTINCT club AS c FROM
        student WHERE club > '')""",
    "train-066": """SELECT name, age FROM student WHERE city = 'Lima' EXCEPT SELECT name, age FROM student WHERE
        club IN ('Chess', 'Drama', 'Robotics', 'Choir')""",
    "train-067": "SELECT name, subject FROM teacher WHERE id NOT IN (SELECT teacher_id FROM course)",
    "train-068": "SELECT REPLACE(name, ' O''Brien', ''), subject FROM teacher WHERE INSTR(name, 'O''Brien') > 0",
    "train-069": "SELECT COUNT(*) FROM exam WHERE CAST(JULIANDAY(date) - JULIANDAY('2020-12-26') AS INTEGER) % 7 < 2",
    "train-070": """SELECT * FROM (SELECT name AS n, 'teacher' FROM teacher UNION SELECT name, 'student' FROM
        student) WHERE SUBSTR(n, -6) = 'Larsen'""",
    "train-071": """SELECT name, ROUND(s * 1.0 / n, 2) FROM student JOIN (SELECT student_id AS k, SUM(score) AS s,
        COUNT(*) AS n FROM exam WHERE score IS NOT NULL GROUP BY 1) ON k = id WHERE n > 3""",
    "train-072": """SELECT level, ROUND(AVG(score >= 50) * 100, 1) FROM exam, course WHERE course.id = course_id
        AND score IS NOT NULL GROUP BY level""",
    "train-073": """SELECT name, city FROM student WHERE id IN (SELECT student_id FROM exam WHERE course_id IN
        (SELECT id FROM course WHERE teacher_id = (SELECT id FROM teacher WHERE name = 'Chloé Groß')))""",
    "train-074": """SELECT title, level, ROUND(s * 1.0 / n, 1) FROM (SELECT c.*, (SELECT SUM(score) FROM exam WHERE
        course_id = c.id) AS s, (SELECT COUNT(*) FROM exam WHERE course_id = c.id AND score IS NOT NULL) AS n FROM
        course AS c) WHERE n > 4 AND s < 50 * n""",
    "train-075": """SELECT DISTINCT l, name, top FROM (SELECT level AS l, MAX(score) AS top FROM course, exam WHERE
        course_id = course.id GROUP BY 1) JOIN course ON level = l JOIN exam ON course_id = course.id AND score =
        top JOIN student ON student.id = student_id""",
    "train-076": """SELECT title, date, score FROM course AS c JOIN exam AS e ON e.course_id = c.id WHERE level =
        'Basic' AND NOT EXISTS (SELECT 1 FROM exam AS o WHERE o.course_id = c.id AND (o.date, o.id) > (e.date,
        e.id))""",
    "train-077": "SELECT name, country, founded FROM airline WHERE founded >= 1971",
    "train-078": "SELECT name, city FROM airport WHERE id NOT IN (SELECT id FROM airport WHERE elevation >= 0)",
    "train-079": """SELECT DISTINCT aircraft, COUNT(*) OVER (PARTITION BY aircraft) FROM flight WHERE date BETWEEN
        '2023-01-01' AND '2023-12-31'""",
    "train-080": """SELECT name, n FROM (SELECT name, (SELECT SUM(status = 'Cancelled') FROM flight WHERE
        airline_id = airline.id) AS n FROM airline) WHERE n > 4""",
    "train-081": "SELECT aircraft, ROUND(1.0 * SUM(delay) / COUNT(*), 2) FROM flight GROUP BY aircraft",
    "train-082": """SELECT name, category FROM airport LEFT JOIN flight ON airport_id = airport.id GROUP BY
        airport.id HAVING COUNT(flight.id) = 0""",
    "train-083": """SELECT date, aircraft, distance FROM flight WHERE distance > 5000 AND airport_id IN (SELECT id
        FROM airport WHERE REPLACE(name, '''', '') = 'Queens Base')""",
    "train-084": """SELECT name, country FROM airline AS a WHERE (SELECT MAX(delay) FROM flight WHERE airline_id =
        a.id AND airport_id IN (SELECT id FROM airport WHERE city = 'Zürich')) > 2 * 60""",
    "train-085": """SELECT a.city, a.name, b.name FROM airport AS a, airport AS b WHERE a.id < b.id AND a.city =
        b.city EXCEPT SELECT a.city, a.name, b.name FROM airport AS a, airport AS b WHERE a.category <> b.category""",
    "train-086": """SELECT (SELECT name FROM airline WHERE id = airline_id), ROUND(AVG(status = 'Delayed') * 100,
        1) FROM flight GROUP BY airline_id HAVING COUNT(*) > 9""",
    "train-087": """SELECT name FROM airline AS a WHERE NOT EXISTS (SELECT aircraft FROM flight EXCEPT SELECT
        aircraft FROM flight WHERE airline_id = a.id)""",
    "train-088": """SELECT name, date, distance FROM flight AS f JOIN airline ON airline.id = airline_id WHERE
        distance = (SELECT MAX(distance) FROM flight WHERE airline_id = f.airline_id)""",
    "train-089": """SELECT name, age FROM player WHERE age > 37 INTERSECT SELECT name, age FROM player WHERE
        position LIKE 'keep%'""",
    "train-090": "SELECT name, city FROM team WHERE INSTR(name, CHAR(34) || 'Kings' || CHAR(34)) > 0",
    "train-091": "SELECT ROUND(SUM(attendance) * 1.0 / COUNT(attendance)) FROM game WHERE weather = 'Rain'",
    "train-092": """SELECT name, budget FROM team AS t WHERE (SELECT COUNT(*) FROM team AS o WHERE o.budget >=
        t.budget) BETWEEN 1 AND 3""",
    "train-093": "SELECT weather, SUM(1), SUM(attendance IS NULL) FROM game GROUP BY weather",
    "train-094": "SELECT team.name, founded FROM team LEFT JOIN player ON team_id = team.id WHERE player.id IS NULL",
    "train-095": "SELECT SUBSTR(date, 6, 2), COUNT(*) FROM game GROUP BY 1",
    "train-096": """SELECT name, IFNULL((SELECT SUM(goals) FROM player WHERE team_id = team.id AND position =
        'Forward'), 0) FROM team""",
    "train-097": """SELECT name FROM team WHERE id IN (SELECT team_id FROM game GROUP BY team_id HAVING SUM(weather
        = 'Wind') > 0 AND SUM(weather = 'Snow') = 0)""",
    "train-098": """SELECT name, goals FROM player AS p WHERE NOT EXISTS (SELECT 1 FROM player AS k WHERE k.goals
        >= p.goals AND k.team_id = (SELECT id FROM team WHERE name LIKE 'Real%' || CHAR(34)))""",
    "train-099": """SELECT position, name, goals FROM player AS p WHERE (SELECT COUNT(DISTINCT goals) FROM player
        WHERE position = p.position AND goals > p.goals) < 3""",
    "train-100": """SELECT name, MAX(gap) FROM team JOIN (SELECT a.team_id AS t, (STRFTIME('%s', MIN(b.date)) -
        STRFTIME('%s', a.date)) / 86400 AS gap FROM game AS a JOIN game AS b ON b.team_id = a.team_id AND b.date >
        a.date GROUP BY a.id) ON t = team.id GROUP BY t""",
}


def run(pair: Row, sql: str, reverse: bool = False) -> Values:
    """The rows, floats to 10 significant digits; `reverse` makes SQLite visit unordered rows backwards."""
    path = PAIRS_FILE.parent / "databases" / pair["db_id"] / f"{pair['db_id']}.sqlite"
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    connection.execute(f"PRAGMA reverse_unordered_selects = {int(reverse)}")
    rows = connection.execute(sql).fetchall()
    connection.close()
    return [tuple(float(f"{value:.10g}") if isinstance(value, float) else value for value in row) for row in rows]


def parsed(pair: Row) -> exp.Expression:
    return sqlglot.parse_one(pair["gold_sql"], dialect="sqlite")


ORDERED_PAIRS = [pair for pair in PAIRS if parsed(pair).args.get("order") is not None]


def with_order_keys(tree: exp.Expression) -> tuple[exp.Select, int]:
    """`tree` without LIMIT and with its sort keys as further columns, and their number; aliases are spelled out."""
    assert isinstance(tree, exp.Select)
    named = {column.alias: column.this for column in tree.selects if isinstance(column, exp.Alias)}
    keys = [ordered.this for ordered in tree.args["order"].expressions]
    plain = [named.get(key.sql(), key).copy() for key in keys]
    bare = tree.copy()
    bare.set("limit", None)
    return bare.select(*plain), len(plain)


def test_there_are_exactly_100_pairs_with_all_fields() -> None:
    keys = ["id", "db_id", "question", "evidence", "gold_sql", "difficulty"]
    assert [list(pair) for pair in PAIRS] == [keys] * 100


def test_ids_count_up_and_questions_are_unique() -> None:
    assert [pair["id"] for pair in PAIRS] == [f"train-{number:03d}" for number in range(1, 101)]
    assert len({pair["question"].casefold() for pair in PAIRS}) == 100


def test_no_question_occurs_in_another_set(committed: dict[str, list[Row]]) -> None:
    for rows in committed.values():
        assert {pair["question"].casefold() for pair in PAIRS}.isdisjoint(row["question"].casefold() for row in rows)


def test_no_gold_is_asked_for_in_a_dev_set(committed: dict[str, list[Row]]) -> None:
    held_out = [*committed["dev"], *committed["dev_unseen"]]
    mine, theirs = ({(row["db_id"], parsed(row).sql("sqlite").lower()) for row in rows} for rows in (PAIRS, held_out))
    assert mine.isdisjoint(theirs)


def test_every_training_database_has_12_or_13_pairs_and_the_unseen_one_none() -> None:
    from domains import TRAINING_DOMAINS

    counts = Counter(pair["db_id"] for pair in PAIRS)
    assert set(counts) == {domain.db_id for domain in TRAINING_DOMAINS}
    assert set(counts.values()) <= {12, 13}


def test_difficulties_are_mixed_and_evidence_is_given_where_needed() -> None:
    counts = Counter(pair["difficulty"] for pair in PAIRS)
    assert set(counts) == set(LEVELS) and min(counts.values()) >= 10
    assert 15 <= sum(pair["evidence"] != "" for pair in PAIRS) <= 30


@each_pair
def test_gold_gives_between_1_and_200_rows_that_say_something(pair: Row) -> None:
    rows = run(pair, pair["gold_sql"])
    assert 1 <= len(rows) <= 200
    assert rows not in ([(0,)], [(None,)])


@each_pair
def test_gold_does_not_depend_on_the_order_in_which_rows_are_visited(pair: Row) -> None:
    forward, backward = run(pair, pair["gold_sql"]), run(pair, pair["gold_sql"], reverse=True)
    if pair not in ORDERED_PAIRS:
        forward, backward = sorted(forward, key=repr), sorted(backward, key=repr)
    assert forward == backward


@each_pair
def test_gold_equals_its_second_derivation(pair: Row) -> None:
    assert Counter(run(pair, pair["gold_sql"])) == Counter(run(pair, DERIVATIONS[pair["id"]]))


@pytest.mark.parametrize("pair", ORDERED_PAIRS, ids=lambda pair: pair["id"])
def test_sort_keys_have_no_ties(pair: Row) -> None:
    keyed, width = with_order_keys(parsed(pair))
    keys = [row[-width:] for row in run(pair, keyed.sql("sqlite"))]
    assert len(set(keys)) == len(keys)
