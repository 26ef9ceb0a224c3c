"""One build rule for every family: dicts are built, modules pass, unknown names teach."""

import pytest
from torch import nn

from segkit import registry
from segkit.registry import FAMILIES, Registry


def toy_registry() -> Registry:
    toys = Registry("toys", locations=())

    @toys.register
    class FastToy(nn.Module):
        def __init__(self, *, size: int = 3) -> None:
            super().__init__()
            self.size = size

    @toys.register
    class SlowToy(nn.Module):
        pass

    return toys


def test_a_dict_is_built_and_left_untouched():
    config = {"type": "FastToy", "size": 7}
    toy = toy_registry().build(config)
    assert type(toy).__name__ == "FastToy"
    assert toy.size == 7
    assert config == {"type": "FastToy", "size": 7}


def test_a_class_of_ones_own_needs_no_registration():
    assert isinstance(
        toy_registry().build({"type": nn.Linear, "in_features": 2, "out_features": 3}), nn.Linear
    )


def test_a_built_module_passes_through():
    module = nn.Identity()
    assert toy_registry().build(module) is module


def test_unknown_name_lists_the_known_and_the_close():
    with pytest.raises(KeyError) as caught:
        toy_registry().build({"type": "FastTow"})
    message = caught.value.args[0]
    assert "'FastTow'" in message
    assert "Did you mean 'FastToy'" in message
    assert "FastToy, SlowToy" in message
    assert "toys" in message


def test_hopeless_name_gets_no_guess():
    with pytest.raises(KeyError) as caught:
        toy_registry().get("zzzzqqqq")
    assert "Did you mean" not in caught.value.args[0]
    assert "FastToy, SlowToy" in caught.value.args[0]


def test_dict_without_type():
    with pytest.raises(KeyError, match=r"toys: expected dict\(type=\.\.\.\), got keys \['size'\]"):
        toy_registry().build({"size": 3})


def test_refused_arguments_name_the_component():
    with pytest.raises(TypeError, match=r"toys: FastToy: .*colour"):
        toy_registry().build({"type": "FastToy", "colour": "red"})


def test_two_classes_of_one_name_clash_but_one_class_may_come_twice():
    toys = toy_registry()
    fast = toys.get("FastToy")
    assert toys.register(fast) is fast
    with pytest.raises(KeyError, match="already registered"):
        toys.register(type("FastToy", (), {}))


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_imports_and_holds_what_it_names(family):
    members = FAMILIES[family]
    for name in members.names():
        assert members.get(name).__name__ == name
    if family != "metrics":
        assert members.names(), f"{family}: nothing registered"


def test_registries_are_named_in_capitals():
    for family, members in FAMILIES.items():
        assert getattr(registry, family.upper()) is members
