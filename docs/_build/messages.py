"""Every message of every error, read from the source: what the page of messages lists.

An error is made by its class, `UsageError(what, where=..., fix=...)`, or by a function that is
given the sentence and makes one. Both are followed to the place where the sentence is written;
`{name}` stands for what is filled in there.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

LONGEST_WAY = 4  # functions that a sentence may pass through

# What else holds sentences that end up in an error: the parameters of what makes it, in order.
CARRIERS = {
    "ModelError": ("what",),
    "EngineError": ("what",),
    "Finding": ("level", "what", "node", "path", "fix"),
    "Diagnosis": ("what", "fix", "kind"),
    "_rule": ("pattern", "what", "fix", "kind"),
    "note": ("what",),
    "warning": ("what",),
}


@dataclass(frozen=True, order=True)
class Message:
    """One message.

    Attributes:
        error: The class of the error, or what carries its sentence there.
        unit: The part of `pipeline` that says it, such as `stages/export`.
        what: The sentence.
        fix: What to do; empty where nothing is said, or it is said elsewhere.
    """

    error: str
    unit: str
    what: str
    fix: str = ""


@dataclass(frozen=True)
class Call:
    """A call, the function it stands in (None in a module's body), and its file."""

    node: ast.Call
    scope: ast.FunctionDef | None
    file: Path

    @property
    def name(self) -> str:
        """The last part of what is called."""
        return last_name(self.node.func)

    def may_mean(self, function: ast.FunctionDef, file: Path) -> bool:
        """Whether it calls that function: a name in its own file, or not a method of its own."""
        own = (
            isinstance(self.node.func, ast.Attribute) and last_name(self.node.func.value) == "self"
        )
        return self.name == function.name and (self.file == file or not own)


@dataclass
class Messages:
    """The messages of a package.

    Args:
        roots: Its folder first, then folders whose errors it passes on.

    Attributes:
        all: Every message, sorted by class, part and sentence.
        unread: Functions, as file and name, that make an error of a sentence found nowhere.
    """

    roots: tuple[Path, ...]
    all: list[Message] = field(init=False)
    unread: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Read the sources."""
        files = sorted(file for root in self.roots for file in root.rglob("*.py"))
        trees = {file: ast.parse(file.read_text("utf-8")) for file in files}
        self.trees = trees
        self.calls: dict[str, list[Call]] = {}
        self.functions: dict[tuple[Path, str], ast.FunctionDef] = {}
        for file, tree in trees.items():
            for call in calls_in(tree, file):
                self.calls.setdefault(call.name, []).append(call)
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    self.functions[file, node.name] = node
        makers = dict.fromkeys(errors_in(trees[self.roots[0] / "errors.py"]), ("what",)) | CARRIERS
        found = {one for error, parameters in makers.items() for one in self.of(error, parameters)}
        self.all = sorted(found)

    def of(self, error: str, parameters: tuple[str, ...]) -> Iterator[Message]:
        """Yield the messages of one class."""
        for call in self.calls.get(error, ()):
            given = arguments(call.node, parameters)
            if "what" not in given:
                continue
            found = [*self.written(given["what"], given.get("fix"), call, LONGEST_WAY)]
            if not found and error not in CARRIERS:
                root = next(r for r in self.roots if call.file.is_relative_to(r))
                name = call.scope.name if call.scope is not None else ""
                self.unread.append(f"{call.file.relative_to(root.parent).as_posix()} {name}")
            for sentence, remedy, file in found:
                yield Message(error, self.unit(file), sentence, remedy)

    def written(
        self, what: ast.expr, fix: ast.expr | None, call: Call, way: int
    ) -> Iterator[tuple[str, str, Path]]:
        """Yield sentence, remedy and file, wherever the sentence of a call is written."""
        scope, parameters = call.scope, parameters_of(call.scope)
        passed = passed_on(what, parameters)
        if scope is not None and passed:
            for caller in self.calls.get(scope.name, ()) if way else ():
                given = defaults(scope) | arguments(caller.node, parameters)
                if passed in given and caller.may_mean(scope, call.file):
                    remedy = given.get(fix.id, fix) if isinstance(fix, ast.Name) else fix
                    for found in self.written(given[passed], remedy, caller, way - 1):
                        yield filled_in(what, passed, found[0]), *found[1:]
            return
        remedies = self.texts(fix, call) if fix is not None else []
        for sentence in self.texts(what, call):
            yield sentence, remedies[0] if remedies else "", call.file

    def texts(self, node: ast.expr, place: Call) -> list[str]:
        """Return every text that an expression can be, none where it is made elsewhere."""
        if isinstance(node, ast.IfExp):
            return self.texts(node.body, place) + self.texts(node.orelse, place)
        if isinstance(node, ast.Name):
            values = assigned(node.id, place.scope) or assigned(node.id, self.trees[place.file])
            return [text for value in values for text in self.texts(value, place)]
        if isinstance(node, ast.Call):
            function = self.functions.get((place.file, last_name(node.func)))
            inside = replace(place, scope=function)
            back = (
                [n.value for n in ast.walk(function) if isinstance(n, ast.Return)]
                if function
                else []
            )
            return [text for value in back if value for text in self.texts(value, inside)]
        texts = dict.fromkeys(variants(node))
        return [text for text in texts if re.search(r"[a-z]", re.sub(r"\{[^}]*\}", "", text))]

    def unit(self, file: Path) -> str:
        """Return the part of the package that a file belongs to."""
        root = next(root for root in self.roots if file.is_relative_to(root))
        if root != self.roots[0]:
            return root.name
        parts = file.relative_to(root).with_suffix("").parts
        return "/".join(parts[:2]) if parts[0] == "stages" else parts[0]


def calls_in(tree: ast.AST, file: Path, scope: ast.FunctionDef | None = None) -> Iterator[Call]:
    """Yield every call with the innermost function it stands in."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            yield Call(node, scope, file)
        yield from calls_in(node, file, node if isinstance(node, ast.FunctionDef) else scope)


def errors_in(tree: ast.Module) -> list[str]:
    """Return the names of the error classes of a module, in their order."""
    found = ["PipelineError"]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and {last_name(base) for base in node.bases} & {*found}:
            found.append(node.name)
    return found


def last_name(node: ast.expr) -> str:
    """Return the last name of an expression: `b` of `a.b`, of `a.b(...)` and of `a.b[...]`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return last_name(node.func)
    return last_name(node.value) if isinstance(node, ast.Subscript) else ""


def parameters_of(scope: ast.FunctionDef | None) -> tuple[str, ...]:
    """Return the names that a call's arguments are for."""
    if scope is None:
        return ()
    names = [a.arg for a in (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs)]
    return tuple(names[1:] if names[:1] in (["self"], ["cls"]) else names)


def arguments(call: ast.Call, parameters: tuple[str, ...]) -> dict[str, ast.expr]:
    """Return the arguments of a call by the parameters they are for."""
    given = dict(zip(parameters, call.args, strict=False))
    return given | {word.arg: word.value for word in call.keywords if word.arg}


def defaults(scope: ast.FunctionDef) -> dict[str, ast.expr]:
    """Return the defaults of a function's parameters."""
    plain = [*scope.args.posonlyargs, *scope.args.args]
    first = len(plain) - len(scope.args.defaults)
    found = {a.arg: value for a, value in zip(plain[first:], scope.args.defaults, strict=True)}
    named = zip(scope.args.kwonlyargs, scope.args.kw_defaults, strict=True)
    return found | {a.arg: value for a, value in named if value is not None}


def passed_on(what: ast.expr, parameters: tuple[str, ...]) -> str:
    """Return the parameter that holds a sentence, alone or within a frame without words."""
    if isinstance(what, ast.Name):
        return what.id if what.id in parameters else ""
    if not isinstance(what, ast.JoinedStr) or re.search(
        "[a-z]", re.sub(r"\{.*?\}", "", text_of(what))
    ):
        return ""
    names = [v.value.id for v in what.values
             if isinstance(v, ast.FormattedValue) and isinstance(v.value, ast.Name)]  # fmt: skip
    return next((name for name in reversed(names) if name in parameters), "")


def filled_in(what: ast.expr, parameter: str, sentence: str) -> str:
    """Return the sentence in the frame that it is put into."""
    frame = text_of(what)
    return (
        frame.replace(f"{{{parameter}}}", sentence) if isinstance(what, ast.JoinedStr) else sentence
    )


def assigned(name: str, scope: ast.FunctionDef | ast.Module | None) -> list[ast.expr]:
    """Return every value that a function, or a module's body, gives to a name."""
    found: list[ast.expr] = []
    inside = scope.body if isinstance(scope, ast.Module) else ast.walk(scope) if scope else ()
    for node in inside:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = [*zip(target.elts, node.value.elts, strict=False)]
                found += [v for t, v in pairs if isinstance(t, ast.Name) and t.id == name]
    return [value for value in found if last_name(value) != name]


def variants(node: ast.expr) -> list[str]:
    """Return every text that an expression writes down, with `{name}` for what is filled in."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(parts) for parts in itertools.product(*map(variants, node.values))]
    if isinstance(node, ast.FormattedValue) and not isinstance(node.value, ast.Constant):
        quote = "'" if node.conversion == ord("r") else ""
        return [quote + placeholder(node.value) + quote]
    if isinstance(node, ast.FormattedValue):
        return variants(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return ["".join(both) for both in itertools.product(variants(node.left), variants(node.right))]
    if isinstance(node, ast.IfExp):
        return variants(node.body) + variants(node.orelse)
    return [placeholder(node)]


def text_of(node: ast.expr) -> str:
    """Return the first of the texts that an expression writes down."""
    return variants(node)[0]


def placeholder(node: ast.expr) -> str:
    """Return what stands for an expression: `{names}` for `', '.join(sorted(names))`."""
    while True:
        if isinstance(node, ast.Call) and node.args:
            node = node.args[-1]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            node = node.func.value
        elif isinstance(node, (ast.GeneratorExp, ast.ListComp)):
            node = node.generators[0].iter
        elif isinstance(node, ast.BinOp):
            node = node.right if isinstance(node.left, ast.Constant) else node.left
        elif isinstance(node, ast.Constant):
            return "{" + str(node.value) + "}"
        else:
            return "{" + (last_name(node).strip("_").lower() or "...") + "}"
