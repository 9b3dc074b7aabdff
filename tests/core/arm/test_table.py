"""The table as a whole: nothing twice, nothing without a meaning, keys that exist."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from azure.mgmt.network.models import _models as models
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.properties import Collection, Meaning, Shape
from agwtwisted.core.arm.table import BY_KIND, COLLECTIONS, member
from agwtwisted.core.sections.schema import KINDS


class TableTests(SynchronousTestCase):
    """All rows."""

    def test_names(self) -> None:
        """A property has one row in its collection, and every object of a dotted name has a row."""
        for collection in COLLECTIONS.values():
            names = [each.name for each in collection.properties]
            self.assertEqual(len({name.casefold() for name in names}), len(names), collection.name)
            for name in names:
                beginning = name.rpartition(".")[0]
                self.assertTrue(not beginning or beginning in names, name)

    def test_sentences(self) -> None:
        """Every row has a sentence that ends."""
        for collection in COLLECTIONS.values():
            for remark in (collection.remark, *(each.remark for each in collection.properties)):
                self.assertTrue(remark.rstrip("`)").endswith("."), remark)

    def test_references(self) -> None:
        """What is referred to is a collection of the table."""
        for collection in COLLECTIONS.values():
            for each in collection.properties:
                self.assertTrue(not each.form.collection or each.form.collection in COLLECTIONS, each.name)
                self.assertTrue(not collection.within or collection.within in COLLECTIONS, collection.name)

    def test_keys(self) -> None:
        """A key of a row is one of its section, or the beginning of a family of keys."""
        for kind, collection in BY_KIND.items():
            if kind not in KINDS:
                continue
            keys = {*KINDS[kind].keys, *KINDS[kind].families}
            named = {each.key for each in collection.properties if each.key}
            self.assertLessEqual(named, keys, kind)

    def test_only_what_works_has_a_key(self) -> None:
        """What is ignored or refused has none, and warnings have a name."""
        for collection in COLLECTIONS.values():
            for each in collection.properties:
                self.assertTrue(each.meaning is Meaning.WORKS or not each.key, each.name)
                self.assertEqual(bool(each.warning), each.meaning is Meaning.WARN, each.name)

    def test_what_guards_access_is_never_ignored(self) -> None:
        """Tokens, sign-in and routing by conditions are refused; a missing firewall is warned of."""
        gateway, rules = COLLECTIONS["properties"], COLLECTIONS["requestRoutingRules"]
        for collection, name in (
            (gateway, "entraJWTValidationConfigs"),
            (gateway, "advancedRoutingMaps"),
            (gateway, "advancedRoutingConditionSets"),
            (rules, "entraJWTValidationConfig"),
            (rules, "authConfigs"),
            (rules, "advancedRoutingMap"),
        ):
            found = collection.property(name)
            self.assertIs(found and found.meaning, Meaning.ERROR, name)
        for where in ("properties", "httpListeners", "pathRules"):
            found = COLLECTIONS[where].property("firewallPolicy")
            self.assertEqual(found and found.warning, "waf-ignored")


class MemberTests(SynchronousTestCase):
    """What a member of a child means."""

    def test_own_members_come_first(self) -> None:
        """`pathRules` is the content of a map, and elsewhere says who refers to a child."""
        own, back = (member(COLLECTIONS[name], "PathRules") for name in ("urlPathMaps", "rewriteRuleSets"))
        self.assertEqual(own and own.form.shape, Shape.CHILDREN)
        self.assertIs(back and back.meaning, Meaning.READ_ONLY)

    def test_what_a_child_names_itself_is_no_answer(self) -> None:
        """`sslProfiles` of a listener is its profile, misspelt; that of a CA certificate says who refers to it."""
        self.assertIsNone(member(COLLECTIONS["httpListeners"], "sslProfiles"))
        self.assertIsNone(member(COLLECTIONS["requestRoutingRules"], "urlPathMaps"))
        self.assertIsNotNone(member(COLLECTIONS["trustedClientCertificates"], "sslProfiles"))

    def test_common_members(self) -> None:
        """Every child may have an id, an etag and a state, plain values have none."""
        found = member(COLLECTIONS["probes"], "Etag")
        self.assertIs(found and found.meaning, Meaning.READ_ONLY)
        self.assertIsNone(member(COLLECTIONS["conditions"], "etag"))
        self.assertIsNone(member(COLLECTIONS["probes"], "colour"))


class ModelTests(SynchronousTestCase):
    """The models of the product's SDK."""

    def missing(self, model: Any, collection: Collection, within: str = "", path: str = "") -> Iterator[str]:
        """The properties of a model that the table does not have, by their paths."""
        model()  # its fields get their names with the first instance
        for field, rest in model._attr_to_rest_field.items():
            name = rest._rest_name
            [inner] = re.findall(r"_models\.(ApplicationGateway\w+|HeaderValueMatcher)", annotation(model, field)) or [
                ""
            ]
            if name == "properties" or (name == "name" and collection.is_resource):
                known = collection if name == "name" or path else COLLECTIONS["properties"]
                yield from self.missing(getattr(models, inner), known, "", f"{path}{name}.") if inner else ()
                continue
            row = member(collection, f"{within}{name}")
            if row is None:
                yield f"{path}{name}"
            elif row.form.shape is Shape.CHILDREN:
                children = COLLECTIONS[row.form.collection]
                yield from self.missing(getattr(models, inner), children, "", f"{path}{name}[].")
            elif row.form.shape is Shape.OBJECT:
                yield from self.missing(getattr(models, inner), collection, f"{row.name}.", f"{path}{name}.")

    def test_every_property(self) -> None:
        """Each property of an Application Gateway, and of what is in it, has a row; one that is new is missing here."""
        self.assertEqual([*self.missing(models.ApplicationGateway, COLLECTIONS["applicationGateways"])], [])


def annotation(model: Any, field: str) -> str:
    """The type of a field, as it is written."""
    found = (inspect.get_annotations(each).get(field) for each in model.__mro__)
    return str(next(each for each in found if each is not None))
