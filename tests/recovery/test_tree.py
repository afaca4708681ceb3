"""The tree of a saved object, found one's way in and changed; pickle tells what came of it."""

from __future__ import annotations

import collections
import pickle
from typing import Any

from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import (
    DictNode,
    GlobalRef,
    Instance,
    Node,
    PersistentId,
    SetNode,
)
from ckptdoctor.formats.pickle.writer import write_pickle
from ckptdoctor.formats.source import MemorySource
from ckptdoctor.recovery.storages import storages_of
from ckptdoctor.recovery.tree import (
    Place,
    entries,
    everywhere,
    find,
    pairs_of,
    places,
    remove,
    rename,
)
from tests.each import each

STATE = {
    "model": collections.OrderedDict([("a.weight", 1), ("a", {"bias": 2}), ("b", [10, {"c": 11}])]),
    "groups": [{"lr": 0.1}, {"lr": 0.2}],
    "epoch": 3,
    7: "a number for a key",
}


def tree(value: Any = STATE) -> Node:
    return PickleMachine(MemorySource(pickle.dumps(value, 2))).run()[0]


def value_of(root: Node) -> Any:
    return pickle.loads(write_pickle(root, MemorySource(b"")))


def place(root: Node, fqn: str) -> Place:
    found = find(root, fqn)
    assert found is not None
    assert found.fqn == fqn
    return found


@each(
    ("fqn", "node"),
    [
        ("epoch", 3),
        ("groups.1.lr", 0.2),
        ("model.a.weight", 1),  # a key with a dot in it, and not the way through `a`
        ("model.a.bias", 2),
        ("model.b.1.c", 11),
        ("7", "a number for a key"),
    ],
)
def test_a_name_leads_to_its_place(fqn: str, node: object) -> None:
    assert place(tree(), fqn).node == node


@each("fqn", ["", "epo", "epoch.x", "groups.2", "model.a.weight.x", "model.a.x"])
def test_a_name_that_is_none_leads_nowhere(fqn: str) -> None:
    assert find(tree(), fqn) is None


def test_what_is_put_takes_the_place_of_what_was_there() -> None:
    root = tree()
    place(root, "groups.1.lr").put(0.5)
    place(root, "groups.0").put("gone")
    place(root, "model.a.weight").put(9)
    found = value_of(root)
    assert found["groups"] == ["gone", {"lr": 0.5}]
    assert found["model"]["a.weight"] == 9
    assert type(found["model"]) is collections.OrderedDict
    assert place(root, "groups").name_of("x") == "groups.x"


def test_what_is_removed_or_renamed_is_so_in_what_is_written() -> None:
    root = tree()
    remove(place(root, "epoch"))
    remove(place(root, "groups.0"))
    rename(place(root, "model"), "net")
    rename(place(root, "groups.0"), "x")  # what stands in a list has no name
    found = value_of(root)
    assert list(found) == ["net", "groups", 7]
    assert found["groups"] == [{"lr": 0.2}]


def test_of_a_key_that_is_set_twice_the_last_counts_and_both_go() -> None:
    root = DictNode([("a", 1), ("b", 2), ("a", 3)])
    assert [(one.fqn, one.node) for one in entries(root)] == [("a", 3), ("b", 2)]
    place(root, "a").put(4)
    assert root.pairs == [("a", 1), ("b", 2), ("a", 4)]
    remove(place(root, "a"))
    assert root.pairs == [("b", 2)]


def test_every_place_comes_before_what_is_in_it() -> None:
    names = [one.fqn for one in places(tree())]
    assert names == [
        *("model", "model.a.weight", "model.a", "model.a.bias", "model.b", "model.b.0"),
        *("model.b.1", "model.b.1.c", "groups", "groups.0", "groups.0.lr", "groups.1"),
        *("groups.1.lr", "epoch", "7"),
    ]
    every = list(everywhere(tree()))
    assert (every[0].path, [one.fqn for one in every[1:]]) == ((), names)


def test_what_holds_itself_or_is_too_deep_ends() -> None:
    ring: list[Any] = []
    ring.append(ring)
    assert [one.fqn for one in places(tree(ring))] == ["0", "0.0"]
    deep: list[Any] = []
    for _ in range(30):
        deep = [deep]
    assert max(len(one.path) for one in places(tree(deep))) == 12


def test_what_is_no_dict_has_no_pairs() -> None:
    assert pairs_of([1]) is None
    assert pairs_of(Instance(GlobalRef("a.b"), ())) is None
    assert list(entries(3)) == []
    assert pairs_of(DictNode([("a", 1)])) == [("a", 1)]


def storage(key: object) -> PersistentId:
    return PersistentId(("storage", GlobalRef("torch.FloatStorage"), key, "cpu", 4))


def test_storages_are_named_once_in_the_order_of_the_tree() -> None:
    held = Instance(storage("0"), (storage("1"),))
    held.members, held.pairs, held.state = (
        [storage("2")],
        [(storage("3"), storage("4"))],
        [storage("5")],
    )
    root = DictNode(
        [
            ("a", held),
            ("b", held),
            ("c", (storage("1"), [SetNode([storage("6")])])),
            (storage(7), 1),
            ("class", PersistentId(("module", GlobalRef("mynet.Net"), "net.py", "source"))),
            ("other", PersistentId("text")),
            ("short", PersistentId(("storage", 1))),
        ]
    )
    assert storages_of(root) == [str(number) for number in range(8)]
    ring: list[Node] = [storage("9")]
    ring.append(ring)
    assert storages_of(ring) == ["9"]
