"""Templates are filled in as transformers fills them in, and reach nothing."""

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from pipeline.errors import BadModelError, UsageError
from pipeline.tokenizer.chat import render_chat

NAMES = {"bos_token": "<s>", "eos_token": "</s>"}
ALIKE = {
    "roles": "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}",
    "blocks leave no lines": "{% for m in messages %}\n  {% if m.role == 'user' %}\nx\n{% endif %}"
    "\n{% endfor %}\nend",
    "json": "{{ messages | tojson }} {{ {'b': '<é>', 'a': 1} | tojson(indent=2, sort_keys=true) }}",
    "loop controls": "{% for i in range(9) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}"
    "{% endfor %}",
    "namespace": "{% set ns = namespace(n=0, self=2) %}{% for m in messages %}"
    "{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}{{ ns.self }}",
    "dict": "{{ dict(a=1).a }}{{ dict.fromkeys(['x'], 2) }}",
    "generation": "{% set x = 1 %}a{% generation %}{% set x = 2 %}b{{ x }}"
    "{% endgeneration %}{{ x }}",
    "no tools": "{% if tools is none %}none{% endif %}{% if documents %}some{% endif %}"
    "{{ unknown }}{% if unknown is defined %}!{% endif %}",
    "date": "{{ strftime_now('%Y') }}",
}


@pytest.mark.parametrize("template", ALIKE.values(), ids=ALIKE)
def test_as_transformers_does(template):
    text = " What is 2 < 3 & “5”?\n"
    wanted, _ = render_jinja_template(
        [[{"role": "user", "content": text}]],
        chat_template=template, add_generation_prompt=True, **NAMES,
    )  # fmt: skip
    assert render_chat(template, text, NAMES) == wanted[0]


def test_no_template_is_said():
    with pytest.raises(UsageError, match="no chat template") as caught:
        render_chat(None, "Hi", NAMES)
    assert "--chat" in caught.value.fix


BAD = {
    "refuses": "{{ raise_exception('only system messages') }}",
    "does not end": "{% if %}",
    "changes what it is given": "{{ messages.append(1) }}",
    "changes it through a type": "{{ dict.update(messages[0], {'content': 1}) }}",
    "reaches into Python": "{{ messages.__class__.__mro__ }}",
    "reaches a type through dict": "{{ dict.__init__.__globals__ }}",
    "hides names": "{% set ns = namespace(_x=1) %}",
    "hides a name later": "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
    "adds text to a number": "{{ 1 + 'a' }}",
}


@pytest.mark.parametrize("template", BAD.values(), ids=BAD)
def test_what_fails_is_the_templates_fault(template):
    with pytest.raises(BadModelError, match="the chat template fails"):
        render_chat(template, "Hi", NAMES)
