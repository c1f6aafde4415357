"""Values in prose come from the facts and the measured figures; code is left alone."""

import datetime

import markdown
import pytest
import yaml

from docs.extensions.filled import FACTS, fill, known

FENCED = "```python\nx = '{{ keras }}'\n```"
HIDDEN = "<!--\n>>> x = '{{ # }}'\n-->"


@pytest.mark.parametrize("code", [FENCED, HIDDEN])
def test_a_value_is_filled_in_prose_and_left_alone_in_code(code):
    keras = known()["keras"]
    assert fill(f"Keras {{{{ keras }}}}.\n\n{code}\n") == f"Keras {keras}.\n\n{code}\n"


def test_a_value_is_filled_as_markdown_is_made():
    keras = known()["keras"]
    html = markdown.markdown("Keras {{ keras }}", extensions=["docs.extensions.filled"])
    assert html == f"<p>Keras {keras}</p>"


def test_a_figure_is_computed_and_rounded():
    seconds = known()["speed"]["streaming"]["step"]
    assert fill('{{ "%.0f" | format(speed.streaming.step * 2) }}') == f"{2 * seconds:.0f}"


def test_the_rows_of_a_table_are_those_of_a_file():
    body = fill("{{ transpose.rows | rows }}").split("\n")
    cells = [[float(c.replace(",", "")) for c in row.strip("| ").split(" | ")] for row in body]
    assert cells == known()["transpose"]["rows"]
    assert "10,202.6" in fill("{{ [[1, 10202.6]] | rows }}")


@pytest.mark.parametrize("name", ["nothing", "speed.nothing", "nothing.at.all"])
def test_an_unknown_name_ends_the_build(name):
    with pytest.raises(Exception, match="nothing"):
        fill(f"{{{{ {name} }}}}")


@pytest.mark.parametrize(
    "name", yaml.safe_load(FACTS.read_text("utf-8")).items(), ids=lambda f: f[0]
)
def test_a_fact_has_its_source_and_date(name):
    _, fact = name
    assert set(fact) == {"value", "source", "date"}
    datetime.datetime.strptime(fact["date"], "%Y-%m")
