"""One request's life as a table: in each state, which events may come, what is done about each, what state follows.

The table knows neither HTTP versions nor sockets. Events come in: from the client protocol, from the backend, from a
timer, and as answers to the questions that some actions ask. Actions go out: `exchange.HttpExchange` performs them, in
order, each with what its event brought. Three rules hold:

- A pair of state and event that is not in the table is refused by name (`UnexpectedEventError`): a defect of ours.
- The state changes before the first action of a step. An action that asks a question (its meaning says "asks") gets the
  answer as an event before it returns, so it is the last action of its step.
- Into `OVER` leads exactly one action that ends the answer, and the table never leads out of it.

How one state leads to another:

    DECIDING         CONNECTING on FORWARD; AWAITING_CLIENT on ASK_CLIENT; OVER on OWN_ANSWER, DEFECT
    AWAITING_CLIENT  DECIDING on CLIENT_JUDGED; OVER on UNFIT, CLIENT_LOST, DEFECT
    CONNECTING       REQUESTING on CONNECTED; OVER on NO_SERVER, UNFIT, CLIENT_LOST, DEFECT
    REQUESTING       OVER on WHOLE_ANSWER, BAD_HEAD, GIVEN_UP, UNFIT, CLIENT_LOST, DEFECT; ANSWERING on ANSWER_HEAD;
                     HEAD_HELD on CHUNKED_HEAD; TUNNELLING on SWITCHED; CONNECTING on REPEATED
    HEAD_HELD        ANSWERING on RESPONSE_BODY, NO_CHUNK; OVER on RESPONSE_END, RESPONSE_LOST, UNFIT, CLIENT_LOST,
                     DEFECT
    ANSWERING        OVER on RESPONSE_END, RESPONSE_LOST, UNFIT, CLIENT_LOST, DEFECT
    TUNNELLING       OVER on RESPONSE_END, CLIENT_LOST, DEFECT

`docs/reference/exchange-states.md` has the whole table, and what every state, event and action means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Generic, TypeVar

import attrs

from agwtwisted.core.base.errors import AgwError

F = TypeVar("F")


@attrs.frozen(eq=False, repr=False)
class _Named:
    """A constant, compared by identity."""

    name: str
    meaning: str

    def __repr__(self) -> str:
        return self.name


class State(_Named):
    """What a request waits for."""


class Event(_Named):
    """What happened; the meaning says what it brings."""


class ExchangeAction(_Named):
    """What is to be done, with what the event brought."""


class UnexpectedEventError(AgwError):
    """An event that the table does not know in this state."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event} while {state}")


@attrs.frozen
class Step:
    """What an event does in a state."""

    state: State
    actions: tuple[ExchangeAction, ...]


def _to(state: State, *actions: ExchangeAction) -> Step:
    return Step(state, actions)


# States

DECIDING: Final = State("DECIDING", "the gateway decides about the request")
AWAITING_CLIENT: Final = State("AWAITING_CLIENT", "its path requires a certificate, and the client is being verified")
CONNECTING: Final = State("CONNECTING", "it goes to a backend, and no server has it yet")
REQUESTING: Final = State("REQUESTING", "a server has it, and has not responded")
HEAD_HELD: Final = State("HEAD_HELD", "the head of a chunked response waits for its first chunk")
ANSWERING: Final = State("ANSWERING", "the head of the response went to the client")
TUNNELLING: Final = State("TUNNELLING", "client and backend speak another protocol")
OVER: Final = State("OVER", "answered, aborted or given up, and recorded in the access log")

STATES: Final = (DECIDING, AWAITING_CLIENT, CONNECTING, REQUESTING, HEAD_HELD, ANSWERING, TUNNELLING, OVER)

# Events of the client protocol

BEGUN: Final = Event("BEGUN", "the request's head has arrived")
BODY: Final = Event("BODY", "bytes of the request's body, or of the client's side of a tunnel")
BODY_END: Final = Event("BODY_END", "the request's body is whole")
FLUSH: Final = Event("FLUSH", "nothing else came with this read of the client")
UNFIT: Final = Event("UNFIT", "the rest of the request is malformed or late: our answer to it")
CLIENT_DRAINED: Final = Event("CLIENT_DRAINED", "the client takes bytes again")
CLIENT_LOST: Final = Event("CLIENT_LOST", "the client's connection, or its stream, is gone")

# Answers to questions

ASK_CLIENT: Final = Event("ASK_CLIENT", "the path requires a certificate that was not judged yet")
FORWARD: Final = Event("FORWARD", "the request goes to a backend: the attempts to get it there")
OWN_ANSWER: Final = Event("OWN_ANSWER", "the gateway answers by itself: that answer")
CONNECTED: Final = Event("CONNECTED", "a server gets the request: the connection to it")
NO_SERVER: Final = Event("NO_SERVER", "no server can be connected to: our answer to it")
REPEATED: Final = Event("REPEATED", "a failed request is tried again: the server that gets it")
GIVEN_UP: Final = Event("GIVEN_UP", "a failed request is not tried again: our answer to it")
WHOLE_ANSWER: Final = Event("WHOLE_ANSWER", "the response as the client gets it: its head, and what came")
ANSWER_HEAD: Final = Event("ANSWER_HEAD", "the head of the response as the client gets it")
CHUNKED_HEAD: Final = Event("CHUNKED_HEAD", "the same, of a body whose length is not known before")
BAD_HEAD: Final = Event("BAD_HEAD", "the response cannot be passed on: our answer to it")
SWITCHED: Final = Event("SWITCHED", "the backend speaks a protocol that the client asked for: the head of its 101")

# Events beside the two connections

CLIENT_JUDGED: Final = Event("CLIENT_JUDGED", "the client as judged for the path")
HELD_BODY: Final = Event("HELD_BODY", "the body that came before the decision can be sent on")
NO_CHUNK: Final = Event("NO_CHUNK", "a held head has waited long enough")
DEFECT: Final = Event("DEFECT", "a defect of the gateway, which is in its log")

# Events of the backend

INTERIM: Final = Event("INTERIM", "the head of a 1xx response other than 101")
RESPONSE_WHOLE: Final = Event("RESPONSE_WHOLE", "the response, head and body in one read, and nothing before it")
RESPONSE_HEAD: Final = Event("RESPONSE_HEAD", "the head of the response, or of a 101, as it came")
RESPONSE_BODY: Final = Event("RESPONSE_BODY", "bytes of the response's body, or of the backend's side of a tunnel")
RESPONSE_FLUSH: Final = Event("RESPONSE_FLUSH", "nothing else came with this read of the backend")
RESPONSE_END: Final = Event("RESPONSE_END", "the response is whole, or the tunnel at its end")
RESPONSE_LOST: Final = Event("RESPONSE_LOST", "the response, or its rest, will not come: why")
BACKEND_DRAINED: Final = Event("BACKEND_DRAINED", "the backend takes bytes again")

EVENTS: Final = (
    *(BEGUN, BODY, BODY_END, FLUSH, UNFIT, CLIENT_DRAINED, CLIENT_LOST),
    *(ASK_CLIENT, FORWARD, OWN_ANSWER, CONNECTED, NO_SERVER, REPEATED, GIVEN_UP),
    *(WHOLE_ANSWER, ANSWER_HEAD, CHUNKED_HEAD, BAD_HEAD, SWITCHED),
    *(CLIENT_JUDGED, HELD_BODY, NO_CHUNK, DEFECT),
    *(
        INTERIM,
        RESPONSE_WHOLE,
        RESPONSE_HEAD,
        RESPONSE_BODY,
        RESPONSE_FLUSH,
        RESPONSE_END,
        RESPONSE_LOST,
        BACKEND_DRAINED,
    ),
)

# Actions before there is an answer

DECIDE: Final = ExchangeAction("DECIDE", "evaluates site, path and rules: FORWARD, OWN_ANSWER or ASK_CLIENT")
JUDGE_CLIENT: Final = ExchangeAction("JUDGE_CLIENT", "starts judging the client for the path")
HOLD_BODY: Final = ExchangeAction("HOLD_BODY", "keeps bytes of the body, and stops the client before they are many")
HOLD_END: Final = ExchangeAction("HOLD_END", "notes that the held body is whole")
SEND_HELD_BODY: Final = ExchangeAction("SEND_HELD_BODY", "sends the held body on, and lets the rest flow")
DIAL: Final = ExchangeAction("DIAL", "tries the pool's servers one by one: CONNECTED, now or later, or NO_SERVER")
DIAL_AGAIN: Final = ExchangeAction("DIAL_AGAIN", "tries that server, then the others: CONNECTED or NO_SERVER")
TAKE_CONNECTION: Final = ExchangeAction("TAKE_CONNECTION", "the response is to come over this connection")
SEND_BODY: Final = ExchangeAction(
    "SEND_BODY", "sends bytes of the body, keeps some to repeat them, stops a fast client"
)
SEND_END: Final = ExchangeAction("SEND_END", "sends the end of the body")
FLUSH_REQUEST: Final = ExchangeAction("FLUSH_REQUEST", "sends what was given since the last flush")
RESUME_BODY: Final = ExchangeAction("RESUME_BODY", "lets the request's body flow on")
TRY_AGAIN: Final = ExchangeAction("TRY_AGAIN", "asks whether the request may be sent once more: REPEATED or GIVEN_UP")

# Actions of the answer

SEND_INTERIM: Final = ExchangeAction("SEND_INTERIM", "sends a 1xx response")
READ_WHOLE: Final = ExchangeAction("READ_WHOLE", "asks the rules: WHOLE_ANSWER or BAD_HEAD")
READ_HEAD: Final = ExchangeAction("READ_HEAD", "asks the rules: ANSWER_HEAD, CHUNKED_HEAD, SWITCHED or BAD_HEAD")
SEND_HEAD: Final = ExchangeAction("SEND_HEAD", "sends the head of the response")
HOLD_HEAD: Final = ExchangeAction("HOLD_HEAD", "keeps the head until a chunk comes")
AWAIT_CHUNK: Final = ExchangeAction("AWAIT_CHUNK", "starts the time of a held head, unless it runs")
SEND_HELD_HEAD: Final = ExchangeAction("SEND_HELD_HEAD", "sends the held head, and stops its time")
SEND_RESPONSE: Final = ExchangeAction("SEND_RESPONSE", "sends bytes of the response")
FLUSH_RESPONSE: Final = ExchangeAction("FLUSH_RESPONSE", "sends what was given since then, stops a fast backend")
RESUME_RESPONSE: Final = ExchangeAction("RESUME_RESPONSE", "lets the response flow on")
SWITCH: Final = ExchangeAction("SWITCH", "lets the client speak the protocol, and makes both connections a tunnel")
SEND_TUNNELLED: Final = ExchangeAction("SEND_TUNNELLED", "sends the client's bytes to the backend, stops a fast client")

# Actions that end it; each writes the line of the access log

ANSWER: Final = ExchangeAction("ANSWER", "sends an answer of the gateway's own")
ANSWER_LOST: Final = ExchangeAction("ANSWER_LOST", "answers 502 or 504, and says in the log why")
SEND_WHOLE: Final = ExchangeAction("SEND_WHOLE", "sends the response, which is whole")
COMPLETE: Final = ExchangeAction("COMPLETE", "ends the response")
CUT: Final = ExchangeAction("CUT", "ends the client's connection, so that it sees that the response is not whole")
CUT_LOST: Final = ExchangeAction("CUT_LOST", "the same, and says in the log why")
LEAVE: Final = ExchangeAction("LEAVE", "stops asking the backend: status 499, but for a tunnel")
ANSWER_DEFECT: Final = ExchangeAction("ANSWER_DEFECT", "answers 500, or cuts a response that has begun")

ACTIONS: Final = (
    *(DECIDE, JUDGE_CLIENT, HOLD_BODY, HOLD_END, SEND_HELD_BODY, DIAL, DIAL_AGAIN, TAKE_CONNECTION),
    *(SEND_BODY, SEND_END, FLUSH_REQUEST, RESUME_BODY, TRY_AGAIN),
    *(SEND_INTERIM, READ_WHOLE, READ_HEAD, SEND_HEAD, HOLD_HEAD, AWAIT_CHUNK, SEND_HELD_HEAD),
    *(SEND_RESPONSE, FLUSH_RESPONSE, RESUME_RESPONSE, SWITCH, SEND_TUNNELLED),
    *(ANSWER, ANSWER_LOST, SEND_WHOLE, COMPLETE, CUT, CUT_LOST, LEAVE, ANSWER_DEFECT),
)

ENDING: Final = frozenset((ANSWER, ANSWER_LOST, SEND_WHOLE, COMPLETE, CUT, CUT_LOST, LEAVE, ANSWER_DEFECT))

_BEFORE_THE_ANSWER: Final = {
    UNFIT: _to(OVER, ANSWER),
    CLIENT_LOST: _to(OVER, LEAVE),
    DEFECT: _to(OVER, ANSWER_DEFECT),
}

TABLE: Final[Mapping[State, Mapping[Event, Step]]] = {
    DECIDING: {
        BEGUN: _to(DECIDING, DECIDE),
        FORWARD: _to(CONNECTING, DIAL),
        ASK_CLIENT: _to(AWAITING_CLIENT, JUDGE_CLIENT),
        OWN_ANSWER: _to(OVER, ANSWER),
        DEFECT: _to(OVER, ANSWER_DEFECT),
    },
    AWAITING_CLIENT: {
        CLIENT_JUDGED: _to(DECIDING, DECIDE),
        BODY: _to(AWAITING_CLIENT, HOLD_BODY),
        BODY_END: _to(AWAITING_CLIENT, HOLD_END),
        FLUSH: _to(AWAITING_CLIENT),
        CLIENT_DRAINED: _to(AWAITING_CLIENT),
        **_BEFORE_THE_ANSWER,
    },
    CONNECTING: {
        CONNECTED: _to(REQUESTING, TAKE_CONNECTION),
        NO_SERVER: _to(OVER, ANSWER),
        HELD_BODY: _to(CONNECTING, SEND_HELD_BODY),
        BODY: _to(CONNECTING, SEND_BODY),
        BODY_END: _to(CONNECTING, SEND_END),
        FLUSH: _to(CONNECTING),
        CLIENT_DRAINED: _to(CONNECTING),
        RESPONSE_FLUSH: _to(CONNECTING),  # of the attempt before
        **_BEFORE_THE_ANSWER,
    },
    REQUESTING: {
        HELD_BODY: _to(REQUESTING, SEND_HELD_BODY),
        BODY: _to(REQUESTING, SEND_BODY),
        BODY_END: _to(REQUESTING, SEND_END),
        FLUSH: _to(REQUESTING, FLUSH_REQUEST),
        BACKEND_DRAINED: _to(REQUESTING, RESUME_BODY),
        CLIENT_DRAINED: _to(REQUESTING, RESUME_RESPONSE),
        INTERIM: _to(REQUESTING, SEND_INTERIM),
        RESPONSE_WHOLE: _to(REQUESTING, READ_WHOLE),
        WHOLE_ANSWER: _to(OVER, SEND_WHOLE),
        RESPONSE_HEAD: _to(REQUESTING, READ_HEAD),
        ANSWER_HEAD: _to(ANSWERING, SEND_HEAD),
        CHUNKED_HEAD: _to(HEAD_HELD, HOLD_HEAD),
        SWITCHED: _to(TUNNELLING, SWITCH),
        BAD_HEAD: _to(OVER, ANSWER),
        RESPONSE_FLUSH: _to(REQUESTING, FLUSH_RESPONSE),
        RESPONSE_LOST: _to(REQUESTING, TRY_AGAIN),
        REPEATED: _to(CONNECTING, DIAL_AGAIN),
        GIVEN_UP: _to(OVER, ANSWER),
        **_BEFORE_THE_ANSWER,
    },
    HEAD_HELD: {
        BODY: _to(HEAD_HELD, SEND_BODY),
        BODY_END: _to(HEAD_HELD, SEND_END),
        FLUSH: _to(HEAD_HELD, FLUSH_REQUEST),
        BACKEND_DRAINED: _to(HEAD_HELD, RESUME_BODY),
        CLIENT_DRAINED: _to(HEAD_HELD, RESUME_RESPONSE),
        RESPONSE_BODY: _to(ANSWERING, SEND_HELD_HEAD, SEND_RESPONSE),
        RESPONSE_FLUSH: _to(HEAD_HELD, AWAIT_CHUNK),
        NO_CHUNK: _to(ANSWERING, SEND_HELD_HEAD, FLUSH_RESPONSE),
        RESPONSE_END: _to(OVER, SEND_HELD_HEAD, COMPLETE),
        RESPONSE_LOST: _to(OVER, ANSWER_LOST),
        **_BEFORE_THE_ANSWER,
    },
    ANSWERING: {
        RESPONSE_BODY: _to(ANSWERING, SEND_RESPONSE),
        RESPONSE_FLUSH: _to(ANSWERING, FLUSH_RESPONSE),
        RESPONSE_END: _to(OVER, COMPLETE),
        RESPONSE_LOST: _to(OVER, CUT_LOST),
        BODY: _to(ANSWERING, SEND_BODY),
        BODY_END: _to(ANSWERING, SEND_END),
        FLUSH: _to(ANSWERING, FLUSH_REQUEST),
        BACKEND_DRAINED: _to(ANSWERING, RESUME_BODY),
        CLIENT_DRAINED: _to(ANSWERING, RESUME_RESPONSE),
        UNFIT: _to(OVER, CUT),
        CLIENT_LOST: _to(OVER, LEAVE),
        DEFECT: _to(OVER, ANSWER_DEFECT),
    },
    TUNNELLING: {
        BODY: _to(TUNNELLING, SEND_TUNNELLED),
        FLUSH: _to(TUNNELLING),
        BACKEND_DRAINED: _to(TUNNELLING, RESUME_BODY),
        CLIENT_DRAINED: _to(TUNNELLING, RESUME_RESPONSE),
        RESPONSE_BODY: _to(TUNNELLING, SEND_RESPONSE),
        RESPONSE_FLUSH: _to(TUNNELLING, FLUSH_RESPONSE),
        RESPONSE_END: _to(OVER, COMPLETE),
        CLIENT_LOST: _to(OVER, LEAVE),
        DEFECT: _to(OVER, ANSWER_DEFECT),
    },
    # Events that were on their way when it ended.
    OVER: dict.fromkeys(
        (BODY, BODY_END, FLUSH, HELD_BODY, CLIENT_DRAINED, CLIENT_LOST, RESPONSE_FLUSH, BACKEND_DRAINED, DEFECT),
        _to(OVER),
    ),
}


class StateRow(dict[Event, "tuple[StateRow[F], tuple[F, ...]]"], Generic[F]):
    """One state of `rows`: by event the row of the next state and what performs the actions."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state

    def __missing__(self, event: Event) -> tuple[StateRow[F], tuple[F, ...]]:
        raise UnexpectedEventError(self.state, event)


def rows(perform: Mapping[ExchangeAction, F]) -> Mapping[State, StateRow[F]]:
    """The table in the form that is run: two look-ups an event, and no search for what performs an action.

    Args:
        perform: what performs each action; every action of the table is in it.

    Raises:
        KeyError: an action without one.
    """
    made: dict[State, StateRow[F]] = {state: StateRow(state) for state in TABLE}
    for state, steps in TABLE.items():
        for event, step in steps.items():
            made[state][event] = made[step.state], tuple(perform[action] for action in step.actions)
    return made


def drawing() -> Iterator[tuple[str, str, str, str]]:
    """The lines of the table, for readers: state, event, actions, next state (empty where it stays)."""
    for state, steps in TABLE.items():
        for event, step in steps.items():
            actions = ", ".join(action.name for action in step.actions) or "nothing"
            yield state.name, event.name, actions, "" if step.state is state else step.state.name
