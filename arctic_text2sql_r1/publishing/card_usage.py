# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The part of a model card that says how to ask the model: the exact prompt, code that runs, and the `ask` command.

The code names the model in one line, which `renamed` changes when a folder gets a name on the hub.
"""

import json
import shlex
import sqlite3
from contextlib import closing
from typing import Any

from arctic_text2sql_r1.prompts.schema import write_schema
from arctic_text2sql_r1.prompts.tables import tables_of
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.publishing.card_sections import inline
from arctic_text2sql_r1.publishing.trained import Kind
from arctic_text2sql_r1.publishing.trained import TrainedModel

_LOAD_PLAIN = """\
tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype="auto")"""
_LOAD_ADAPTER = """\
tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE, dtype="auto"), MODEL)"""
_ASK = """\
prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
{prefill}ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
generated = model.generate(ids, attention_mask=ids.new_ones(ids.shape), max_new_tokens={tokens}, do_sample=False)
print(tokenizer.decode(generated[0, ids.shape[1]:], skip_special_tokens=True))"""
_PREFILL = "if not prompt.rstrip().endswith({stripped}):\n    prompt += {prefill}\n"
_TABLES = """CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT, founded INTEGER);
INSERT INTO city VALUES (1, 'Basel', -30), (2, 'Chur', 1464), (3, 'Davos', 1560);"""
_QUESTION = "Which cities were founded before 1500?"


def title(name: str) -> str:
    """The card's heading."""
    return f"# {' '.join(name.encode('utf-8', errors='replace').decode().split())}"


def renamed(card: str, old: str, new: str) -> str:
    """A card whose heading, code and command name the model `new` instead of `old`; other text stays as it is."""
    changes = {title(old): title(new), _model_line(old): _model_line(new), _ask_line(old): _ask_line(new)}
    return "\n".join(changes.get(line, line) for line in card.split("\n"))


def usage_lines(name: str, kind: Kind, model: TrainedModel) -> list[str]:
    """How to ask the model; paragraphs of Markdown."""
    command = f"With the package, on a SQLite file of yours:\n\n```\n{_ask_line(name)}\n```"
    prompt = _prompt(model.record)
    if prompt is None:
        return ["## How to ask it", command, "The prompt of its training was not recorded."]
    code = _code(name, kind, model, prompt)
    fence = "`" * max(3, _longest_run(code) + 1)
    record = model.record
    return [
        "## How to ask it",
        command,
        f"With transformers{' and PEFT' if kind == 'adapter' else ''}. SYSTEM and USER are the very texts of training "
        f"(template {inline(str(record.get('template')))} version {record.get('template_version')}, schema style "
        f"{inline(str(prompt.get('schema_style')))}); a prompt of other words, or a schema in another form, asks for "
        "what was not trained. The schema of the example is in that style:",
        f"{fence}python\n{code}\n{fence}",
        _evidence_note(str(prompt.get("evidence_line", ""))),
    ]


def _prompt(record: dict[str, Any]) -> dict[str, Any] | None:
    """The texts of training: as recorded, or those of the template if it is still of the version that is recorded."""
    if "prompt" in record:
        return dict(record["prompt"])
    try:
        template = get_template(str(record.get("template")))
    except ValueError:
        return None
    return vars(template) if template.version == record.get("template_version") else None


def _code(name: str, kind: Kind, model: TrainedModel, prompt: dict[str, Any]) -> str:
    adapter = kind == "adapter"
    base = "" if model.base is None else model.base.name
    stripped = str(prompt.get("prefill", "")).strip()
    prefill = "" if stripped == "" else _PREFILL.format(stripped=repr(stripped), prefill=repr(prompt["prefill"]))
    user = "USER.format(schema=SCHEMA, evidence=EVIDENCE, question=QUESTION)"
    lines = [
        "from peft import PeftModel" if adapter else "",
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n",
        _model_line(name),
        f"BASE = {json.dumps(base, ensure_ascii=False)}  # the base model, on the hub or as a folder"
        if adapter
        else "",
        f"SYSTEM = {_literal(str(prompt['system']))}",
        f"USER = {_literal(str(prompt['user']))}",
        f"SCHEMA = {_literal(_example_schema(str(prompt.get('schema_style'))))}",
        f"QUESTION = {json.dumps(_QUESTION)}",
        'EVIDENCE = ""\n',
        _LOAD_ADAPTER if adapter else _LOAD_PLAIN,
        f'messages = [{{"role": "system", "content": SYSTEM}}, {{"role": "user", "content": {user}}}]',
        _ASK.format(prefill=prefill, tokens=model.record.get("max_new_tokens", 1024)),
    ]
    return "\n".join(line for line in lines if line != "")


def _example_schema(style: str) -> str:
    """A small database as prompts of this style show it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_TABLES)
        return write_schema(tables_of(connection), style)


def _model_line(name: str) -> str:
    return f"MODEL = {json.dumps(name, ensure_ascii=False)}"


def _ask_line(name: str) -> str:
    words = " ".join(name.split())
    return f'text2sql-r1 ask --model {shlex.quote(words)} --db shop.sqlite "Which customer spent most?"'


def _evidence_note(evidence_line: str) -> str:
    if evidence_line == "":
        return "EVIDENCE was always empty."
    return f"EVIDENCE is `{json.dumps(evidence_line)}.format(evidence=...)` where a question comes with a hint."


def _literal(text: str) -> str:
    """Python source of `text`, over several lines where that reads well."""
    readable = '"""' not in text and "\\" not in text and not text.endswith('"')
    plain = all(character.isprintable() or character == "\n" for character in text)
    return f'"""{text}"""' if readable and plain else repr(text)


def _longest_run(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest
