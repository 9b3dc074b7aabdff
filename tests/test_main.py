"""`python -m agwtwisted`, which is `agw`."""

from __future__ import annotations

from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted import __main__ as program


class RunTests(SynchronousTestCase):
    """The program."""

    def test_ends_with_the_status(self) -> None:
        """The arguments of the process are those of the command, and its status is the process's."""
        with (
            mock.patch("sys.argv", ["agw", "a"]),
            mock.patch.object(program, "main", return_value=7) as main,
            self.assertRaises(SystemExit) as end,
        ):
            program.run()
        self.assertEqual(end.exception.code, 7)
        main.assert_called_once_with(["a"])
