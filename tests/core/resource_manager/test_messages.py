"""Messages of the protocol: what a state becomes, and what no text of one says."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.messages import ArmAnswer, ArmState, Change, NoTask, Secret, Stored, Work

ID = "/subscriptions/s/resourceGroups/RG"
STATE = ArmState(tenant="t", subscription="s", records={ID.lower(): Stored(id=ID, body={}, etag="1")})
DONE = ArmAnswer(status=200)


class AfterTests(SynchronousTestCase):
    """What is known once a piece of work is done."""

    def test_what_is_not_named_stays(self) -> None:
        """A work without changes, secrets and running leaves a state as it is."""
        self.assertEqual(STATE.after(Work(task=NoTask(), answer=DONE)), STATE)

    def test_ids_are_compared_without_case(self) -> None:
        """A change in another spelling replaces the resource, and does not add a second one."""
        stored = Stored(id=ID, body={"tags": {}}, etag="2")
        after = STATE.after(Work(task=NoTask(), answer=DONE, changes=(Change(id=ID.upper(), stored=stored),)))
        self.assertEqual(after.records, {ID.lower(): stored})

    def test_a_deleted_resource_is_gone(self) -> None:
        """A change to nothing removes the resource; one that is not there is no error."""
        changes = (Change(id=ID, stored=None), Change(id=f"{ID}/other", stored=None))
        self.assertEqual(STATE.after(Work(task=NoTask(), answer=DONE, changes=changes)).records, {})

    def test_secrets_and_running_are_replaced_whole(self) -> None:
        """Secrets that a work names take the place of all that were there."""
        secrets = {"site": Secret(data="AAAA", password="pass")}
        after = STATE.after(Work(task=NoTask(), answer=DONE, secrets=secrets, running=False))
        self.assertEqual((after.secrets, after.running), (secrets, False))


class SecretTests(SynchronousTestCase):
    """What may stand in a traceback."""

    def test_no_text_has_a_secret(self) -> None:
        """Neither a secret nor a state or a work that holds it shows it."""
        secret = Secret(data="c2VjcmV0", password="hush")
        work = Work(task=NoTask(), answer=DONE, secrets={"site": secret})
        for value in (secret, work, STATE.after(work)):
            self.assertNotIn("c2VjcmV0", repr(value))
            self.assertNotIn("hush", repr(value))
