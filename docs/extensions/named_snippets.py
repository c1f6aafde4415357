"""pymdownx.snippets, taught names, so that no marker comment stands in a file people copy.

--8<-- "question/torch_rnn.py:RNN.forward"    a function, class, method or constant
--8<-- "layers/pooling.py:import,max_pool2d"  the imports, and a function: several names
--8<-- "layers/transformer.py"                the file, for where no folder is

A page shows the files that a recipe imports from beside it. Pasted into a program, they need not be
imported, and what a file does as a command is not wanted.
"""

import ast
import re
import textwrap

from pymdownx import snippets

RELATIVE = re.compile(r"^from \.+[\w.]* import (?:\([^)]*\)|.+)\n", re.M)
COMMAND = re.compile(r'(?<=\n)\n+if __name__ == "__main__":\n(?:    .+\n?)+')
NAMED = re.compile(r"(.+\.py):([A-Za-z_][\w.,]*)")


class Preprocessor(snippets.SnippetPreprocessor):
    """Reads ``file.py:Class.method`` where pymdownx reads a section."""

    def split_path(self, path):
        """Return (path, line ranges, ":" + section), any dotted names being a section."""
        m = NAMED.fullmatch(path)
        return (m[1], None, ":" + m[2]) if m else super().split_path(path)

    def select_snippet_lines(self, lines, target):
        """Return the source of the names, decorators included."""
        if not target["path"].endswith(".py"):
            return super().select_snippet_lines(lines, target)
        if not target["section"]:
            lines = super().select_snippet_lines(lines, target)
            return pasted("\n".join(lines)).split("\n")
        code = source_of("\n".join(lines), target["section"])
        if code is None:
            raise snippets.SnippetMissingError(f"no {target['section']} in {target['path']}")
        return code.split("\n")


def pasted(code):
    """Return a module's code without its relative imports and without its command."""
    return re.sub("\n{4,}", "\n\n\n", COMMAND.sub("", RELATIVE.sub("", code)))


def source_of(code, names):
    """Return the dedented source of dotted names in a module's code, None if it lacks one."""
    module, lines = ast.parse(code), code.split("\n")
    spans = [find(module, name.split(".")) for name in names.split(",")]
    if None in spans:
        return None
    return "\n\n\n".join(textwrap.dedent("\n".join(lines[slice(*span)])) for span in spans)


def find(node, names):
    """Return (first, end) of the lines that define names[-1] inside names[-2] ..., or None."""
    if names == ["import"]:
        imports = [n for n in node.body if isinstance(n, ast.Import | ast.ImportFrom)]
        return imports[0].lineno - 1, imports[-1].end_lineno
    for child in ast.iter_child_nodes(node):
        targets = getattr(child, "targets", [getattr(child, "target", None)])
        defined = [getattr(child, "name", None), *(getattr(t, "id", None) for t in targets)]
        if names[0] in defined:
            if names[1:]:
                return find(child, names[1:])
            starts = [n.lineno for n in [child, *getattr(child, "decorator_list", [])]]
            return min(starts) - 1, child.end_lineno
    return None


class NamedSnippets(snippets.SnippetExtension):
    """The Markdown extension, with the options of pymdownx.snippets."""

    def extendMarkdown(self, md):  # noqa: N802, the name Markdown calls
        """Put our preprocessor in the place of theirs."""
        super().extendMarkdown(md)
        md.preprocessors.register(Preprocessor(self.getConfigs(), md), "snippet", 32)


def makeExtension(**kwargs):  # noqa: N802, the name Markdown calls
    """Return the extension, as Markdown asks for it."""
    return NamedSnippets(**kwargs)
