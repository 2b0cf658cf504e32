"""Editions of whole dialects: what a later one sends passes through an earlier one unchanged, and back."""

import json
from random import Random

import msgspec
import pytest

from wayside.asn1 import MessageSet, dialects, load
from wayside.asn1._table import (
    Addition,
    Alternative,
    BitString,
    Choice,
    Enumerated,
    Integer,
    Member,
    Node,
    OctetString,
    Sequence,
    Size,
    Table,
)
from wayside.asn1.samples import Samples
from wayside.asn1.translate import DIALECTS

SEED = 53


def later(table: Table) -> MessageSet:
    """Every extensible type with more additions, groups, alternatives and names than the table has."""
    first = len(table.nodes)
    added: list[Node] = [
        Integer(0, 255),
        OctetString(Size()),
        BitString(Size(13, 13, True)),
        Sequence([Member("zzDeep", first, True)], []),
    ]

    def grown(node: Node) -> Node:
        more = getattr(node, "additions", None)
        if more is None:
            return node
        if isinstance(node, Sequence):
            group = Addition([Member("zzB", first + 1), Member("zzC", first + 2, True)], True)
            single = [Addition([Member("zzA", first)]), Addition([Member("zzD", first + 3, True)])]
            return msgspec.structs.replace(node, additions=[*more, single[0], group, single[1]])
        if isinstance(node, Choice):
            new = [Alternative("zzA", first), Alternative("zzB", first + 1), Alternative("zzC", first + 3)]
            return msgspec.structs.replace(node, additions=[*more, *new])
        return msgspec.structs.replace(node, additions=[*more, *(f"zz{at}" for at in range(70))])

    return MessageSet(msgspec.structs.replace(table, nodes=[grown(n) for n in table.nodes] + added))


def earlier(table: Table) -> MessageSet:
    """Every extensible type without its additions."""
    return MessageSet(
        msgspec.structs.replace(
            table,
            nodes=[
                msgspec.structs.replace(node, additions=[])
                if isinstance(node, Sequence | Choice | Enumerated) and node.additions
                else node
                for node in table.nodes
            ],
        )
    )


@pytest.mark.parametrize("dialect", dialects())
def test_what_one_edition_writes_passes_through_the_others_unchanged(dialect: str) -> None:
    now = load(dialect)
    type_names = now.type_names if dialect in DIALECTS else now.type_names[::4]
    editions = [earlier(now.table), now, later(now.table)]
    extended = 0
    for writer in editions:
        samples = Samples(writer.table, Random(SEED), unknown=False)
        for type_name in type_names:
            value = samples.of(type_name)
            octets = writer.encode(value, type_name)
            for reader in editions:
                seen = reader.decode(octets, type_name)
                assert reader.encode(seen, type_name) == octets, (type_name, octets.hex())
                text = json.dumps(reader.to_json(seen, type_name))
                extended += '"...' in text
                back = reader.from_json(json.loads(text), type_name)
                assert back == seen
            again = now.encode(now.decode(octets, type_name), type_name)
            assert writer.decode(again, type_name) == value
    assert extended > len(type_names) / 10


@pytest.mark.parametrize("dialect", dialects())
def test_an_earlier_edition_reads_the_members_that_it_knows(dialect: str) -> None:
    now = load(dialect)
    newer = later(now.table)
    samples = Samples(newer.table, Random(SEED), unknown=False)
    for type_name in now.type_names:
        node = now.table.nodes[now.table.types[type_name]]
        if not isinstance(node, Sequence):
            continue
        value = samples.of(type_name)
        seen = now.decode(newer.encode(value, type_name), type_name)
        assert [name for name in seen if name != "..."] == [n for n in value if not n.startswith("zz")]
        assert ("..." in seen) == any(name.startswith("zz") for name in value)
