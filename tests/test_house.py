"""Claims about the house itself: its modules, its words, and the page that promises what a mount does.

Who reads it: whoever a claim has just stopped. What a tool can say better (format, types, layers) is in scripts/check.

How docs/SEMANTICS.md is held to its word: each top-level `- ` item of the page is a promise, and at least one test
quotes it with the opening words of that item, enough of them that they open no other:

    @pytest.mark.semantics("A closed file is in both stores")
    def test_a_closed_file_is_in_both_stores(mounted: Mount) -> None: ...

Several quotes may stand in one marker. Line breaks and Markdown's `*` and backtick do not count. A promise that no test
quotes fails, and so does a quote that opens no promise or more than one.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
ROOMS: Final = (".ci", "bench", "daemon", "docs", "konifer_fs", "scripts", "systemd", "tests")
MODULES: Final = sorted(module for room in ROOMS for module in (ROOT / room).rglob("*.py"))
SEMANTICS: Final = ROOT / "docs" / "SEMANTICS.md"

LONGEST_MODULE: Final = 400
LONGEST_CLASS: Final = 350
# Neither pattern is found where it is spelled here.
UNFINISHED: Final = re.compile(r"\bTO[D]O\b|\bFIX[M]E\b|\bX[X]X\b")
REGISTRIES: Final = re.compile(r"\b(pypi|pythonhosted|debian|ubuntu|npmjs|docker|quay|ghcr)[.](org|com|io)\b")


def list_texts() -> Iterator[tuple[str, str]]:
    """Yield (path from the root, text) of all that is ours to read: the rooms, and the files beside them."""
    found = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*"))]
    for path in [*found, *sorted(ROOT.iterdir())]:
        if path.is_file() and "__pycache__" not in path.parts:
            try:
                yield str(path.relative_to(ROOT)), path.read_text()
            except UnicodeDecodeError:
                continue


def list_places(words: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in list_texts()
        for number, line in enumerate(text.splitlines(), 1)
        if words.search(line)
    ]


def as_spoken(markdown: str) -> str:
    """The words alone: no emphasis, one space between words."""
    return " ".join(re.sub(r"[*`]", "", markdown).split())


def list_promises(page: str) -> list[str]:
    """The top-level bullets of a page with their continuation lines; what stands in code fences is not one."""
    prose = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    return [as_spoken(item) for item in re.findall(r"^- (.*(?:\n(?:[ \t].*|(?=\n[ \t])))*)", prose, re.MULTILINE)]


def list_quotes(module: str) -> list[str]:
    """The texts in all `pytest.mark.semantics(...)` of a module's source."""
    return [
        as_spoken(quote.value)
        for node in ast.walk(ast.parse(module))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.semantics"
        for quote in node.args
        if isinstance(quote, ast.Constant) and isinstance(quote.value, str)
    ]


def find_disagreements(promises: list[str], quotes: list[str]) -> list[str]:
    """What is wrong between a page and the tests that quote it; empty when they agree."""
    opened = {quote: [promise for promise in promises if promise.startswith(quote)] for quote in quotes}
    kept = {matches[0] for matches in opened.values() if len(matches) == 1}
    return [
        *(f"no test quotes: {promise[:100]}" for promise in promises if promise not in kept),
        *(f"opens no promise: {quote}" for quote, matches in opened.items() if not matches),
        *(f"opens {len(matches)} promises: {quote}" for quote, matches in opened.items() if len(matches) > 1),
    ]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_a_module_says_what_it_is_and_stays_short(module: Path) -> None:
    source = module.read_text()
    tree = ast.parse(source)
    assert ast.get_docstring(tree), f"{module} has no docstring"
    length = len(source.splitlines())
    assert length <= LONGEST_MODULE, f"{module} is longer than {LONGEST_MODULE} lines"
    too_long = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_CLASS
    ]
    assert not too_long, f"{module}: longer than {LONGEST_CLASS} lines: {', '.join(too_long)}"


def test_the_readme_names_both_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "scripts/up" in readme
    assert "scripts/test" in readme


def test_nothing_is_marked_as_unfinished() -> None:
    assert list_places(UNFINISHED) == []


def test_nothing_names_the_host_of_a_package_registry() -> None:
    assert list_places(REGISTRIES) == []


def test_every_promise_of_the_semantics_page_is_quoted_by_a_test() -> None:
    if not SEMANTICS.exists():
        pytest.skip("docs/SEMANTICS.md is not written yet")
    promises = list_promises(SEMANTICS.read_text())
    assert promises
    tests = [module for module in MODULES if module.is_relative_to(ROOT / "tests")]
    quotes = [quote for module in tests for quote in list_quotes(module.read_text())]
    disagreements = find_disagreements(promises, quotes)
    assert not disagreements, "\n".join(disagreements)


def test_promises_are_the_top_level_bullets_outside_code() -> None:
    page = "# A page\n\n- One `file`\n  is **whole**.\n\n  More.\n  - a detail\n- Two.\n\nText\n```\n- not this\n```\n"
    assert list_promises(page) == ["One file is whole. More. - a detail", "Two."]


def test_quotes_are_found_in_markers_of_functions_and_parameters() -> None:
    source = (
        "@pytest.mark.semantics('A `b`', 'C')\ndef test_one(): ...\n"
        "x = pytest.param(1, marks=pytest.mark.semantics('long '\n 'quote'))\n"
    )
    assert list_quotes(source) == ["A b", "C", "long quote"]


@pytest.mark.parametrize(
    ("quotes", "complaint"),
    [
        (["One file"], "no test quotes: Two files are two."),
        (["One file", "Two files", "Three"], "opens no promise: Three"),
        (["One file", "Two", "Two files", ""], "opens 2 promises: "),
    ],
)
def test_page_and_tests_that_disagree_are_told_apart(quotes: list[str], complaint: str) -> None:
    assert find_disagreements(["One file is whole.", "Two files are two."], quotes) == [complaint]


def test_page_and_tests_that_agree_pass() -> None:
    assert find_disagreements(["One file is whole.", "Two files are two."], ["One file", "Two files are two."]) == []
