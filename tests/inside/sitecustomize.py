"""Python imports this at its start where this folder is on its path: what tests do inside of Kordon's own process.

`KORDON_MUTATION` names an API whose judge is taken away. `KORDON_OVERHEARD` names a folder where everything is kept
that clients get. `KORDON_COUNTED` names a file where it is written what Kordon holds, when it gets SIGUSR2.
"""

import os
import sys

if "kordon_proxy" in sys.orig_argv and "serve" in sys.orig_argv:  # not in the process of the tests
    if "KORDON_MUTATION" in os.environ:
        from tests.inside.mutation import take_the_judge_of

        take_the_judge_of(os.environ["KORDON_MUTATION"])
    if "KORDON_OVERHEARD" in os.environ:
        from tests.inside.overhearing import keep_what_clients_get

        keep_what_clients_get(os.environ["KORDON_OVERHEARD"])
    if "KORDON_COUNTED" in os.environ:
        from tests.inside.counting import count_when_asked

        count_when_asked(os.environ["KORDON_COUNTED"])
