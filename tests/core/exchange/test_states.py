"""The table of a request's life, and dialogues with it."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.exchange import states as on
from agwtwisted.core.exchange.states import Event, ExchangeAction, State, UnexpectedEventError, drawing, rows

REFUSED = {
    on.DECIDING: "BODY BODY_END FLUSH UNFIT CLIENT_DRAINED CLIENT_LOST CONNECTED NO_SERVER REPEATED GIVEN_UP"
    " WHOLE_ANSWER ANSWER_HEAD CHUNKED_HEAD BAD_HEAD SWITCHED CLIENT_JUDGED HELD_BODY NO_CHUNK INTERIM RESPONSE_WHOLE"
    " RESPONSE_HEAD RESPONSE_BODY RESPONSE_FLUSH RESPONSE_END RESPONSE_LOST BACKEND_DRAINED",
    on.AWAITING_CLIENT: "BEGUN ASK_CLIENT FORWARD OWN_ANSWER CONNECTED NO_SERVER REPEATED GIVEN_UP WHOLE_ANSWER"
    " ANSWER_HEAD CHUNKED_HEAD BAD_HEAD SWITCHED HELD_BODY NO_CHUNK INTERIM RESPONSE_WHOLE RESPONSE_HEAD RESPONSE_BODY"
    " RESPONSE_FLUSH RESPONSE_END RESPONSE_LOST BACKEND_DRAINED",
    on.CONNECTING: "BEGUN ASK_CLIENT FORWARD OWN_ANSWER REPEATED GIVEN_UP WHOLE_ANSWER ANSWER_HEAD CHUNKED_HEAD"
    " BAD_HEAD SWITCHED CLIENT_JUDGED NO_CHUNK INTERIM RESPONSE_WHOLE RESPONSE_HEAD RESPONSE_BODY RESPONSE_END"
    " RESPONSE_LOST BACKEND_DRAINED",
    on.REQUESTING: "BEGUN ASK_CLIENT FORWARD OWN_ANSWER CONNECTED NO_SERVER CLIENT_JUDGED NO_CHUNK RESPONSE_BODY"
    " RESPONSE_END",
    on.HEAD_HELD: "BEGUN ASK_CLIENT FORWARD OWN_ANSWER CONNECTED NO_SERVER REPEATED GIVEN_UP WHOLE_ANSWER ANSWER_HEAD"
    " CHUNKED_HEAD BAD_HEAD SWITCHED CLIENT_JUDGED HELD_BODY INTERIM RESPONSE_WHOLE RESPONSE_HEAD",
    on.ANSWERING: "BEGUN ASK_CLIENT FORWARD OWN_ANSWER CONNECTED NO_SERVER REPEATED GIVEN_UP WHOLE_ANSWER ANSWER_HEAD"
    " CHUNKED_HEAD BAD_HEAD SWITCHED CLIENT_JUDGED HELD_BODY NO_CHUNK INTERIM RESPONSE_WHOLE RESPONSE_HEAD",
    on.TUNNELLING: "BEGUN BODY_END UNFIT ASK_CLIENT FORWARD OWN_ANSWER CONNECTED NO_SERVER REPEATED GIVEN_UP"
    " WHOLE_ANSWER ANSWER_HEAD CHUNKED_HEAD BAD_HEAD SWITCHED CLIENT_JUDGED HELD_BODY NO_CHUNK INTERIM RESPONSE_WHOLE"
    " RESPONSE_HEAD RESPONSE_LOST",
    on.OVER: "BEGUN UNFIT ASK_CLIENT FORWARD OWN_ANSWER CONNECTED NO_SERVER REPEATED GIVEN_UP WHOLE_ANSWER ANSWER_HEAD"
    " CHUNKED_HEAD BAD_HEAD SWITCHED CLIENT_JUDGED NO_CHUNK INTERIM RESPONSE_WHOLE RESPONSE_HEAD RESPONSE_BODY"
    " RESPONSE_END RESPONSE_LOST",
}
"""What may not happen, by state."""


class Playbook:
    """A dialogue with the table: ``playbook >> EVENT << (ACTION, ...)``, and at its end the state."""

    def __init__(self) -> None:
        self._row = rows({action: action for action in on.ACTIONS})[on.DECIDING]
        self._actions: tuple[ExchangeAction, ...] = ()

    @property
    def state(self) -> State:
        """Where the dialogue has led."""
        return self._row.state

    def __rshift__(self, event: Event) -> Playbook:
        assert not self._actions, f"{self._actions} are not expected"
        self._row, self._actions = self._row[event]
        return self

    def __lshift__(self, actions: ExchangeAction | tuple[ExchangeAction, ...]) -> Playbook:
        expected = actions if isinstance(actions, tuple) else (actions,)
        assert self._actions == expected, f"{self._actions}, not {expected}"
        self._actions = ()
        return self


def forwarded() -> Playbook:
    """A request that a server has."""
    return Playbook() >> on.BEGUN << on.DECIDE >> on.FORWARD << on.DIAL >> on.CONNECTED << on.TAKE_CONNECTION


class TableTests(SynchronousTestCase):
    """All pairs of states and events."""

    def test_every_pair(self) -> None:
        """Each event in each state is in the table, or refused by name: none is forgotten."""
        run = rows({action: action for action in on.ACTIONS})
        self.assertEqual(tuple(on.TABLE), on.STATES)
        for state, event in product(on.STATES, on.EVENTS):
            if event.name in REFUSED[state].split():
                self.assertNotIn(event, on.TABLE[state])
                with self.assertRaises(UnexpectedEventError) as raised:
                    run[state][event]
                self.assertEqual(str(raised.exception), f"{event.name} while {state.name}")
            else:
                row, actions = run[state][event]
                step = on.TABLE[state][event]
                self.assertEqual((row.state, actions), (step.state, step.actions), (state, event))

    def test_names(self) -> None:
        """States, events and actions are listed once each, and all of them are used."""
        for constants in (on.STATES, on.EVENTS, on.ACTIONS):
            self.assertEqual(len({constant.name for constant in constants}), len(constants))
            self.assertTrue(all(getattr(on, constant.name) is constant and constant.meaning for constant in constants))
        steps = [step for row in on.TABLE.values() for step in row.values()]
        self.assertEqual({event for row in on.TABLE.values() for event in row}, {*on.EVENTS})
        self.assertEqual({action for step in steps for action in step.actions}, {*on.ACTIONS})
        self.assertEqual({step.state for step in steps}, {*on.STATES})

    def test_over(self) -> None:
        """Exactly one action ends a request, it is the last one of the step into OVER, and nothing follows it."""
        for state, row in on.TABLE.items():
            for event, step in row.items():
                ending = [action for action in step.actions if action in on.ENDING]
                ends = step.state is on.OVER and state is not on.OVER
                self.assertEqual(ending, [step.actions[-1]] if ends else [], (state, event))
                if state is on.OVER:
                    self.assertEqual((step.state, step.actions), (on.OVER, ()), event)

    def test_questions_come_last(self) -> None:
        """An action whose answer is an event may get it at once: nothing of the same step comes after it."""
        for row in on.TABLE.values():
            for step in row.values():
                self.assertFalse([action for action in step.actions[:-1] if action.meaning.startswith("asks ")])

    def test_answers_to_questions(self) -> None:
        """Every event that a question's meaning names is expected in the state in which it is asked."""
        names = {event.name: event for event in on.EVENTS}
        for row in on.TABLE.values():
            for step in row.values():
                for action in step.actions:
                    answers = action.meaning.replace(",", " ").split() if action.meaning.startswith("asks ") else []
                    for name in names.keys() & {*answers}:
                        self.assertIn(names[name], on.TABLE[step.state], (step.state, action))

    def test_defect(self) -> None:
        """An error of our own is answered in every state."""
        for state in on.STATES[:-1]:
            step = on.TABLE[state][on.DEFECT]
            self.assertEqual((step.state, step.actions), (on.OVER, (on.ANSWER_DEFECT,)))

    def test_every_action_is_performed(self) -> None:
        """The form that is run has something for every action, or is not made."""
        with self.assertRaises(KeyError):
            rows({action: action for action in on.ACTIONS[:-1]})

    def test_drawing(self) -> None:
        """The lines for readers are those of the table, and say nothing of a state that stays."""
        lines = list(drawing())
        self.assertEqual(len(lines), sum(map(len, on.TABLE.values())))
        self.assertIn(("ANSWERING", "RESPONSE_END", "COMPLETE", "OVER"), lines)
        self.assertIn(("HEAD_HELD", "RESPONSE_BODY", "SEND_HELD_HEAD, SEND_RESPONSE", "ANSWERING"), lines)
        self.assertIn(("OVER", "BODY", "nothing", ""), lines)

    def test_docstring(self) -> None:
        """How the states lead to each other stands in the docstring as it is in the table."""
        said = " ".join((on.__doc__ or "").split())
        for state, row in on.TABLE.items():
            reached: dict[str, list[str]] = {}
            for event, step in row.items():
                if step.state is not state:
                    reached.setdefault(step.state.name, []).append(event.name)
            if reached:
                moves = "; ".join(f"{then} on {', '.join(events)}" for then, events in reached.items())
                self.assertIn(f" {state.name} {moves} ", said)

    def test_repr(self) -> None:
        """A constant shows as its name."""
        self.assertEqual(repr((on.OVER, on.BODY, on.CUT)), "(OVER, BODY, CUT)")


class DialogueTests(SynchronousTestCase):
    """Requests from their beginning to their end: what happens, and what is done about it."""

    def assert_over(self, playbook: Playbook) -> None:
        """It ended, and what still comes changes nothing."""
        self.assertIs(playbook.state, on.OVER)
        for event in (on.FLUSH, on.RESPONSE_FLUSH, on.CLIENT_LOST, on.DEFECT):
            self.assertIs((playbook >> event << ()).state, on.OVER)

    def test_forwarded(self) -> None:
        """A request without a body, and a response whose length is known."""
        playbook = forwarded() >> on.FLUSH << on.FLUSH_REQUEST
        playbook = playbook >> on.RESPONSE_HEAD << on.READ_HEAD >> on.ANSWER_HEAD << on.SEND_HEAD
        playbook = playbook >> on.RESPONSE_BODY << on.SEND_RESPONSE >> on.RESPONSE_FLUSH << on.FLUSH_RESPONSE
        self.assert_over(playbook >> on.RESPONSE_END << on.COMPLETE)

    def test_whole(self) -> None:
        """A response that comes in one read is one event, and one answer."""
        playbook = forwarded() >> on.FLUSH << on.FLUSH_REQUEST
        self.assert_over(playbook >> on.RESPONSE_WHOLE << on.READ_WHOLE >> on.WHOLE_ANSWER << on.SEND_WHOLE)
        self.assert_over(forwarded() >> on.RESPONSE_WHOLE << on.READ_WHOLE >> on.BAD_HEAD << on.ANSWER)

    def test_body(self) -> None:
        """A body is sent as it comes; before there is a connection it is kept for it; a slow server stops it."""
        playbook = Playbook() >> on.BEGUN << on.DECIDE >> on.FORWARD << on.DIAL
        playbook = playbook >> on.BODY << on.SEND_BODY >> on.FLUSH << () >> on.CONNECTED << on.TAKE_CONNECTION
        playbook = playbook >> on.BACKEND_DRAINED << on.RESUME_BODY >> on.BODY << on.SEND_BODY
        playbook = playbook >> on.BODY_END << on.SEND_END >> on.FLUSH << on.FLUSH_REQUEST
        self.assertIs(playbook.state, on.REQUESTING)

    def test_early_answer(self) -> None:
        """The answer may come while the body does; both flow until the answer is whole."""
        playbook = forwarded() >> on.RESPONSE_HEAD << on.READ_HEAD >> on.ANSWER_HEAD << on.SEND_HEAD
        playbook = playbook >> on.BODY << on.SEND_BODY >> on.RESPONSE_BODY << on.SEND_RESPONSE
        self.assert_over(playbook >> on.BODY_END << on.SEND_END >> on.RESPONSE_END << on.COMPLETE)

    def test_interim(self) -> None:
        """Any number of interim responses comes before the answer."""
        playbook = forwarded() >> on.INTERIM << on.SEND_INTERIM >> on.INTERIM << on.SEND_INTERIM
        self.assertIs(playbook.state, on.REQUESTING)

    def test_own_answer(self) -> None:
        """The gateway answers by itself: no server is asked."""
        self.assert_over(Playbook() >> on.BEGUN << on.DECIDE >> on.OWN_ANSWER << on.ANSWER)

    def test_client_is_judged(self) -> None:
        """While the client is judged for a path its body is held; all of it goes on once it is let in."""
        playbook = Playbook() >> on.BEGUN << on.DECIDE >> on.ASK_CLIENT << on.JUDGE_CLIENT
        playbook = playbook >> on.BODY << on.HOLD_BODY >> on.FLUSH << () >> on.BODY_END << on.HOLD_END
        playbook = playbook >> on.CLIENT_JUDGED << on.DECIDE >> on.FORWARD << on.DIAL
        self.assertIs((playbook >> on.HELD_BODY << on.SEND_HELD_BODY).state, on.CONNECTING)

    def test_client_is_refused(self) -> None:
        """A client that is not let in gets a page, and what was held of its body goes nowhere."""
        playbook = Playbook() >> on.BEGUN << on.DECIDE >> on.ASK_CLIENT << on.JUDGE_CLIENT >> on.BODY << on.HOLD_BODY
        playbook = playbook >> on.CLIENT_JUDGED << on.DECIDE >> on.OWN_ANSWER << on.ANSWER
        self.assert_over(playbook >> on.HELD_BODY << ())

    def test_no_server(self) -> None:
        """Where no server can be connected to, that is the answer."""
        playbook = Playbook() >> on.BEGUN << on.DECIDE >> on.FORWARD << on.DIAL
        self.assert_over(playbook >> on.NO_SERVER << on.ANSWER)

    def test_repeated(self) -> None:
        """A request that was lost before its answer may go to another server, and is answered from there."""
        playbook = forwarded() >> on.RESPONSE_LOST << on.TRY_AGAIN >> on.REPEATED << on.DIAL_AGAIN
        playbook = playbook >> on.RESPONSE_FLUSH << () >> on.CONNECTED << on.TAKE_CONNECTION
        playbook = playbook >> on.RESPONSE_HEAD << on.READ_HEAD >> on.ANSWER_HEAD << on.SEND_HEAD
        self.assert_over(playbook >> on.RESPONSE_END << on.COMPLETE)

    def test_given_up(self) -> None:
        """One that may not be repeated is answered by the gateway."""
        self.assert_over(forwarded() >> on.RESPONSE_LOST << on.TRY_AGAIN >> on.GIVEN_UP << on.ANSWER)

    def test_lost_in_the_answer(self) -> None:
        """Once the head is out a response that is lost is cut."""
        playbook = forwarded() >> on.RESPONSE_HEAD << on.READ_HEAD >> on.ANSWER_HEAD << on.SEND_HEAD
        self.assert_over(playbook >> on.RESPONSE_LOST << on.CUT_LOST)

    def test_chunked(self) -> None:
        """The head of a chunked response waits for its first chunk, its end, or the end of its time."""
        for event, actions, state in (
            (on.RESPONSE_BODY, (on.SEND_HELD_HEAD, on.SEND_RESPONSE), on.ANSWERING),
            (on.RESPONSE_END, (on.SEND_HELD_HEAD, on.COMPLETE), on.OVER),
            (on.NO_CHUNK, (on.SEND_HELD_HEAD, on.FLUSH_RESPONSE), on.ANSWERING),
            (on.RESPONSE_LOST, (on.ANSWER_LOST,), on.OVER),
            (on.UNFIT, (on.ANSWER,), on.OVER),
        ):
            playbook = forwarded() >> on.RESPONSE_HEAD << on.READ_HEAD >> on.CHUNKED_HEAD << on.HOLD_HEAD
            playbook = playbook >> on.RESPONSE_FLUSH << on.AWAIT_CHUNK >> event << actions
            self.assertIs(playbook.state, state)

    def test_tunnel(self) -> None:
        """After the switch bytes flow both ways until one side is gone."""
        for event, action in ((on.RESPONSE_END, on.COMPLETE), (on.CLIENT_LOST, on.LEAVE)):
            playbook = forwarded() >> on.RESPONSE_HEAD << on.READ_HEAD >> on.SWITCHED << on.SWITCH
            playbook = playbook >> on.BODY << on.SEND_TUNNELLED >> on.RESPONSE_BODY << on.SEND_RESPONSE
            self.assert_over(playbook >> event << action)

    def test_bad_head(self) -> None:
        """A response that cannot be passed on, or a switch that was not asked for, is answered by the gateway."""
        self.assert_over(forwarded() >> on.RESPONSE_HEAD << on.READ_HEAD >> on.BAD_HEAD << on.ANSWER)

    def test_unfit(self) -> None:
        """A request whose rest is malformed is answered, or its answer cut where that has begun."""
        self.assert_over(forwarded() >> on.UNFIT << on.ANSWER)
        answering = forwarded() >> on.RESPONSE_HEAD << on.READ_HEAD >> on.ANSWER_HEAD << on.SEND_HEAD
        self.assert_over(answering >> on.UNFIT << on.CUT)

    def test_client_leaves(self) -> None:
        """A client may leave whenever something is waited for."""
        for state in on.STATES[1:-1]:
            step = on.TABLE[state][on.CLIENT_LOST]
            self.assertEqual((step.state, step.actions), (on.OVER, (on.LEAVE,)))
