# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The nine small worlds that our own text-to-SQL data talks about: tables, columns and the values they may hold.

Plain declarations. How rows are drawn from them is in `build_databases.py`, how questions are asked about them in
`build_questions.py`. Identifiers are short English words on purpose: a very small model reads them in its prompt.
"""

from dataclasses import dataclass

CITIES = ("Paris", "Oslo", "Zürich", "São Paulo", "東京", "Lima", "Cairo", "L'Aquila", "Malmö", "Boston")
COUNTRIES = ("France", "Japan", "Brazil", "Norway", "Egypt", "Peru", "Italy", "Canada")
FIRST_NAMES = ("Anna", "Björn", "Chloé", "Daniel", "Elif", "Farid", "Grace", "Hiro", "Inés", "Jonas", "Kaya", "Lena")
LAST_NAMES = ("O'Brien", "Müller", "Nguyen", "Groß", "Tanaka", "Silva", "Haddad", "Smith", "Dubois", "Larsen", "田中")
ADJECTIVES = ("Silent", "Golden", "Broken", "Northern", "Second", "Hidden", "Électric", "Last", "Blue", "Paper")
NOUNS = ("River", "Garden", "Mirror", "Voyage", "Winter", "Promise", "Island", "Signal", "Straße", "Orchard")
PLACE_NAMES = ("Arena", "Hall", "Garden", "Palace", "House", "Dome")
PLACE_OWNERS = ('The "Nest"', "Queen's", "Grand", "Old Mill", "Café", "Harbour", "Nordic")


@dataclass(frozen=True)
class Column:
    """One column. `kind` is id, ref, label, category, number, year or date.

    `noun` is the column in a sentence and contains the column's own name. `pool` holds category values, `pairs` the
    two word lists whose pairs make a label. Numbers run from `low` to `high` in steps of `step`; dates lie in the
    years `low` to `high`, or up to 30 days after the date column `after`. `target` is the table a ref points to.
    """

    name: str
    kind: str
    noun: str = ""
    pool: tuple[str, ...] = ()
    pairs: tuple[tuple[str, ...], ...] = ()
    low: float = 0
    high: float = 0
    step: float = 1
    null_rate: float = 0.0
    target: str = ""
    after: str = ""

    @property
    def phrase(self) -> str:
        """The column in a sentence."""
        return self.noun or self.name


@dataclass(frozen=True)
class Table:
    """One table; `name` is also its singular word."""

    name: str
    plural: str
    rows: int
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def of_kind(self, *kinds: str) -> list[Column]:
        return [column for column in self.columns if column.kind in kinds]


@dataclass(frozen=True)
class Domain:
    """One database; parents stand before the tables that refer to them."""

    db_id: str
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table:
        return next(table for table in self.tables if table.name == name)


ID = Column("id", "id")
PERSON = Column("name", "label", pairs=(FIRST_NAMES, LAST_NAMES))
PLACE = Column("name", "label", pairs=(PLACE_OWNERS, PLACE_NAMES))
TITLE = Column("title", "label", pairs=(ADJECTIVES, NOUNS))


def name_of(first: tuple[str, ...], second: tuple[str, ...]) -> Column:
    """A `name` column made of word pairs."""
    return Column("name", "label", pairs=(first, second))


def ref(target: str) -> Column:
    """The foreign key `<target>_id`."""
    return Column(f"{target}_id", "ref", target=target)


def category(name: str, values: tuple[str, ...], null_rate: float = 0.0) -> Column:
    return Column(name, "category", pool=values, null_rate=null_rate)


def number(name: str, low: float, high: float, step: float = 1, null_rate: float = 0.0, noun: str = "") -> Column:
    return Column(name, "number", noun=noun, low=low, high=high, step=step, null_rate=null_rate)


def year(name: str, low: int, high: int, null_rate: float = 0.0) -> Column:
    noun = name if name == "year" else f"{name} year"
    return Column(name, "year", noun=noun, low=low, high=high, null_rate=null_rate)


def date(name: str, low: int, high: int, null_rate: float = 0.0, after: str = "") -> Column:
    noun = name if name == "date" else f"{name} date"
    return Column(name, "date", noun=noun, low=low, high=high, null_rate=null_rate, after=after)


# Dense by hand: one column a line would hide the shape of a database.
# fmt: off
MUSIC = Domain("music", (
    Table("artist", "artists", 36, (ID, PERSON, category("country", COUNTRIES[:6]),
          category("genre", ("Rock", "Jazz", "Folk", "Soul", "Techno")), year("born", 1950, 2002, null_rate=0.1))),
    Table("venue", "venues", 18, (ID, PLACE, category("city", CITIES[:7]), number("capacity", 200, 9000, 50))),
    Table("album", "albums", 70, (ID, TITLE, year("year", 1985, 2024), ref("artist"))),
    Table("concert", "concerts", 170, (ID, date("date", 2021, 2024), number("price", 15, 120, 0.5, null_rate=0.12),
          number("sold", 60, 4000, 10, noun="sold tickets"), ref("artist"), ref("venue"))),
))

COMPANY = Domain("company", (
    Table("department", "departments", 16, (ID, name_of(("Global", "Field", "Core", "Café"),
          ("Sales", "Design", "Legal", "Finance")), category("city", CITIES[1:7]), number("budget", 100, 990, 5))),
    Table("employee", "employees", 90, (ID, PERSON, category("role", ("Engineer", "Analyst", "Manager", "Clerk")),
          category("city", CITIES[2:8]), number("salary", 2000, 9000, 100, null_rate=0.08), number("age", 19, 66),
          date("hired", 2010, 2024), ref("department"))),
    Table("project", "projects", 40, (ID, TITLE, category("status", ("Open", "Closed", "Paused"), null_rate=0.15),
          number("cost", 10, 900, 5), date("started", 2018, 2024), ref("department"))),
))

LIBRARY = Domain("library", (
    Table("author", "authors", 32, (ID, PERSON, category("country", COUNTRIES[2:]),
          year("born", 1900, 1995, null_rate=0.12))),
    Table("book", "books", 95, (ID, TITLE, category("genre", ("Novel", "Poetry", "History", "Science", "Crime")),
          category("language", ("English", "French", "German", "Spanish")), year("year", 1930, 2024),
          number("pages", 80, 900, 5, null_rate=0.08), ref("author"))),
    Table("member", "members", 45, (ID, PERSON, category("city", CITIES[3:9]),
          date("joined", 2012, 2023))),
    Table("loan", "loans", 180, (ID, date("date", 2022, 2024), date("returned", 0, 0, null_rate=0.2, after="date"),
          ref("book"), ref("member"))),
))

CLINIC = Domain("clinic", (
    Table("doctor", "doctors", 22, (ID, PERSON, category("specialty", ("Cardiology", "Surgery", "Skin", "Dental")),
          category("city", CITIES[:5]), number("salary", 4000, 15000, 100))),
    Table("patient", "patients", 75, (ID, PERSON, category("city", CITIES[2:8]), number("age", 1, 95),
          category("insurer", ("Helvia", "Nordcare", "Medline"), null_rate=0.2))),
    Table("visit", "visits", 190, (ID, date("date", 2021, 2024), number("cost", 20, 600, 2.5, null_rate=0.1),
          category("diagnosis", ("Flu", "Asthma", "Fracture", "Allergy", "Migraine")), number("minutes", 5, 90),
          ref("doctor"), ref("patient"))),
))

SHOP = Domain("shop", (
    Table("supplier", "suppliers", 18, (ID, name_of(("North", "Müller", "Twin", "Casa"), ("Goods", "Trade", "& Sons",
          "Supply", "Works")), category("country", COUNTRIES[:6]), year("founded", 1950, 2020))),
    Table("product", "products", 60, (ID, name_of(("Oak", "Steel", "Mini", "Crème", "Travel", "Super", "Soft"),
          ("Chair", "Lamp", "Kettle", 'Frame 5"', "Bag", "Mug", "Clock", "Desk", "Pan")),
          category("category", ("Kitchen", "Office", "Garden", "Travel")), category("color", ("Red", "Blue", "Black",
          "White"), null_rate=0.15), number("price", 3, 250, 0.5), number("stock", 0, 400, null_rate=0.1),
          ref("supplier"))),
    Table("customer", "customers", 50, (ID, PERSON, category("city", CITIES[1:8]), date("joined", 2015, 2023))),
    Table("purchase", "purchases", 190, (ID, date("date", 2022, 2024), number("quantity", 1, 40), ref("customer"),
          ref("product"))),
))

SCHOOL = Domain("school", (
    Table("teacher", "teachers", 22, (ID, PERSON, category("subject", ("Math", "Art", "Physics", "Latin")),
          number("salary", 2500, 6000, 50))),
    Table("course", "courses", 40, (ID, TITLE, category("level", ("Basic", "Middle", "Expert")),
          number("credits", 2, 30), ref("teacher"))),
    Table("student", "students", 80, (ID, PERSON, category("city", CITIES[3:10]), category("club", ("Chess", "Drama",
          "Robotics", "Choir"), null_rate=0.2), number("age", 11, 40))),
    Table("exam", "exams", 180, (ID, date("date", 2021, 2024), number("score", 20, 100, null_rate=0.1), ref("student"),
          ref("course"))),
))

TRAVEL = Domain("travel", (
    Table("airline", "airlines", 18, (ID, name_of(("Air", "Sky", "Aéro", "Trans"), ("Nord", "Lux", "Sol", "Pacífico",
          "O'Hara")), category("country", COUNTRIES[:6]), year("founded", 1930, 2018))),
    Table("airport", "airports", 20, (ID, name_of(("Queen's", "Grand", "Old Mill", "Côte", "Sol"), ("Field", "Port",
          "Base", "Strip", "Gate")), category("city", CITIES[:8]), category("category", ("Civil", "Cargo", "Private")),
          number("elevation", 5, 3000, 5, null_rate=0.15))),
    Table("flight", "flights", 190, (ID, date("date", 2022, 2024), category("status", ("Landed", "Delayed",
          "Cancelled")), category("aircraft", ("Airbus", "Boeing", "Embraer", "Fokker")), number("distance", 150, 9500,
          10), number("delay", 1, 240, null_rate=0.2), ref("airline"), ref("airport"))),
))

LEAGUE = Domain("league", (
    Table("team", "teams", 18, (ID, name_of(("Red", "Real", "FC", "Grün"), ("Stars", "Wolves", "Union", "Côte",
          '"Kings"')), category("city", CITIES[2:9]), year("founded", 1890, 2010),
          number("budget", 5, 400, 1, null_rate=0.15))),
    Table("player", "players", 110, (ID, PERSON, category("position", ("Keeper", "Defender", "Midfield", "Forward")),
          category("country", COUNTRIES), number("age", 17, 40), number("goals", 0, 60), ref("team"))),
    Table("game", "games", 170, (ID, date("date", 2020, 2024), category("weather", ("Sunny", "Rain", "Snow", "Wind")),
          number("score", 0, 9), number("attendance", 500, 60000, 100, null_rate=0.12), ref("team"))),
))

CINEMA = Domain("cinema", (
    Table("director", "directors", 28, (ID, PERSON, category("country", COUNTRIES[1:7]),
          year("born", 1930, 1995, null_rate=0.12))),
    Table("film", "films", 80, (ID, TITLE, category("genre", ("Drama", "Comedy", "Horror", "Western")),
          category("language", ("English", "French", "Hindi", "Korean")), year("year", 1950, 2024),
          number("rating", 1, 10, 0.1, null_rate=0.1), ref("director"))),
    Table("theater", "theaters", 18, (ID, PLACE, category("city", CITIES[:6]), number("seats", 60, 900, 5))),
    Table("screening", "screenings", 180, (ID, date("date", 2022, 2024), number("price", 5, 25, 0.5), ref("film"),
          ref("theater"))),
))
# fmt: on

TRAINING_DOMAINS = (MUSIC, COMPANY, LIBRARY, CLINIC, SHOP, SCHOOL, TRAVEL, LEAGUE)
UNSEEN_DOMAIN = CINEMA
ALL_DOMAINS = (*TRAINING_DOMAINS, UNSEEN_DOMAIN)
