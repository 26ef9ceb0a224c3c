"""What the voices say: written sentences and a small grammar that makes thousands more.

One sentence in eight, chosen by its own letters, is held out: training voices never say it.
"""

from __future__ import annotations

import zlib

import numpy as np

_WRITTEN = """
The boy moved the big blue boat below the bridge.
Five thin men threw their hats over the fence.
My mother bought warm bread and plum jam before breakfast.
Why would a whale whistle while we wait?
She should choose the shiny shoes or the soft fur boots.
Put the paper cups on the top shelf, please.
Both of us love the taste of ripe papaya.
The judge just changed the date of the final vote.
You know how few people view the moon through a tube.
Our old owl hoots every hour until dawn.
Bob promised Pam a pebble from the bottom of the pond.
A weary fox favours a quiet path over a busy road.
Look at the cool pool behind the wooden school.
Three brothers breathe the northern weather together.
Maybe Mabel may borrow my umbrella tomorrow morning.
Pure white foam floated over the warm brown beach.
Zoe's cousin chews cheese and sings jazz in the choir.
I have never ever heard of a giraffe that laughs.
What a marvellous map of the marble museum!
The chef put beef, pepper and a bay leaf in the pot.
Vivian gave every visitor a velvet glove.
We owe you a whole new roof for your house.
Few poets move as smoothly as Ruth through a room.
Ask father whether the calm palm garden is far.
A big bag of apples hung above the baby's bed.
Who knew that two blue shoes could cost so much?
He felt the heavy leaf fall softly on his sleeve.
Wash the dishes, then fetch the brush and the fish.
Sheep sleep deep in the green field beyond the creek.
Open the window wide and watch the wind move the wheat.
The purple ship slipped past the sharp rocks at dusk.
Our team dreams of a clean sea and a free beach.
How now, loud cow, what about the brown hound?
Paul saw a small ball fall off the tall wall.
Toys annoy the boy who enjoys the noise of oysters.
The bear cares for the pair of hares on the stairs.
Here, near the pier, the beer is clear.
They say the rain may stay away today.
Hurry, bury the berries before the birds find them.
Mix the milk with six figs, mint and ginger.
Ten men sent seven letters every Wednesday.
That black cat sat flat on Anna's lap.
Lots of hot coffee dropped on top of the clock.
Some young lovers run under the summer sun.
The cook took a good look at the hook.
Girls learn words first, then the world turns.
A camel ambled among the lemons and the almonds.
Thursday's thunder thrilled thousands of thirsty plants.
This mother bathes with the others in smooth weather.
Measure the treasure with pleasure, not pressure.
Yes, yellow yachts use young yew wood.
We were away in Warsaw one wet Wednesday.
Roaring rivers run round the rugged rocks.
Let Lily feel the cool, silky wool and yell.
Sing a long song along the hanging wing.
Never mind the number nine, Norman, try the next one.
Keep the cold cream cake in the kitchen cupboard.
Go get the big green goat a good garden gate.
Did daddy decide to deliver the daisies on Friday?
Take two tea towels to the tall tower tonight.
Busy people rarely stop by to play chess with Grandpa.
Mumbling miners made a map of the empty mountain.
Phone Phoebe before the photo fades, for heaven's sake.
Over every river of ivory flew five brave doves.
Watch out, the rope above your head might break!
How much money would make you move to the moon?
Would you prefer rhubarb pie or apple crumble?
The museum opens at half past eight in the morning.
My phone fell in the pool, but it still works somehow.
Remember to feed the puppies before you leave home.
Nobody believed that the robot could bake bread.
I am happy to meet you, and so is my whole family.
Please leave your wet umbrella by the front door.
The number of bees in the meadow is higher than before.
Tomorrow we move the piano up to the fifth floor.
Sometimes I simply sit and watch the boats go by.
A bitter wind blew from the north for five whole weeks.
He mumbled, coughed, and finally said what he meant.
Voices in the valley vanished as the evening fell.
Good morning, everybody, and welcome back to the show.
Thank you very much for having me this evening.
Let me show you how the whole thing works.
In my opinion, the problem is smaller than it looks.
First we warm the oven, and then we mix the flour.
We have about five minutes before the bus arrives.
The best part of the movie was the music, believe me.
What would happen if both of them were wrong?
Beautiful weather, is it not, for a boat trip?
People often forget how far away the stars are.
Today's forecast: fog, followed by a fair amount of sun.
Water flows from the mountain to the shore below.
If you have a problem, phone me before half past five.
Most of my best ideas come while I wash up.
The whole village gathered above the harbour to watch.
Perhaps the answer was obvious from the beginning.
Oh, I forgot the paprika, the pepper and the parsley!
Move over, buddy, you are blocking my view.
Why, of course you may use my bicycle pump.
Birds of a feather flock together, or so they say.
Each peach and each pear has a different flavour.
The orchestra rehearsed the opera for almost a month.
Bring me my bow, the bronze arrow and the wooden spoon.
Her voice was warm, low, and easy to follow.
Mammoths roamed both above and below this valley.
Papa shaved off his moustache in February.
Everyone loves the smell of fresh bread and coffee.
Could we possibly move the meeting to the afternoon?
Shall I compare the two reports before we vote?
"""


def _listed(text: str) -> tuple[str, ...]:
    """Split a text at its semicolons."""
    return tuple(" ".join(item.split()) for item in text.split(";"))


_PEOPLE = _listed(
    """
    my brother; the old baker; a famous painter; our neighbour; the young teacher; Barbara;
    Philip; the whole team; a brave woman; the farmer; Uncle Joe; Maya; the mayor; a sleepy
    child; Oliver; the French chef; Ruby; every visitor; the bus driver; Bob's wife; the
    captain; a quiet man
    """
)
_ACTIONS = _listed(
    """
    bought; moved; found; painted; forgot; wanted; brought; saw; remembered; borrowed; washed;
    measured; chose; opened; threw away; loved; sold; fixed; put away; showed me; invented; hid
    """
)
_THINGS = _listed(
    """
    a purple umbrella; the broken bottle; five blue books; a warm apple pie; the missing puzzle;
    some fresh bread; both of the boats; an enormous map; the yellow bicycle; a wooden spoon;
    the marble chess board; a bowl of soup; the shiny violin; three thin feathers; a heavy box
    of shoes; the baby's bib; a vase of wild flowers; the mushroom sauce; a piece of paper; the
    golden key; a jar of plum jam; the loudest drum; my favourite movie; an orange blanket; the
    evening paper
    """
)
_PLACES = _listed(
    """
    above the harbour; before breakfast; in the middle of May; behind the museum; for his
    mother; at the beach; on a rainy Thursday; near the old bridge; without a map; over the
    weekend; from the market; under the apple tree; with five friends; in the blue room; by the
    river; after the show; for almost nothing; somewhere in Rome; at half past four; through the
    window
    """
)
_OPENINGS = _listed(
    """
    I believe that; Perhaps; Everyone knows that; You may have heard that; As far as I
    remember,; Well,; In the morning,; This time,; Somehow; People say that; By the way,; My
    father thinks; Nobody knew why; On Monday,; It looks as if; Believe it or not,; Of course
    """
)
_ADVICE = _listed(
    """
    please move; never throw away; do not forget to wash; you should probably buy; let us paint;
    we must find; would you bring me; how about we open; I would love to borrow; always keep;
    why not show Pam; they refuse to give up; may I have; could somebody fix; put back
    """
)
_NUMBERS = _listed(
    """
    one; two; three; four; five; six; seven; eight; nine; ten; eleven; twelve; forty;
    fifty-five; ninety; a hundred; a thousand; half a million; twenty-two; sixty-eight
    """
)
_COUNTED = _listed(
    """
    puppies; boats; maps; violins; wolves; peaches; blue whales; umbrellas; feathers; mushrooms;
    bees; photographs; pumpkins; shovels; farms; moons; bowls of rice; weeks; poems; gloves
    """
)

WRITTEN = tuple(line for line in _WRITTEN.splitlines() if line)
"""The sentences written out."""


def is_held_out(sentence: str) -> bool:
    """Whether a sentence is kept for validation and test."""
    return zlib.crc32(sentence.encode()) % 8 == 0


def _pick(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[rng.integers(len(words))]


def _generated(rng: np.random.Generator) -> str:
    person, action, thing, place = (
        _pick(rng, words) for words in (_PEOPLE, _ACTIONS, _THINGS, _PLACES)
    )
    kind = rng.integers(6)
    if kind == 0:
        sentence = f"{person} {action} {thing} {place}."
    elif kind == 1:
        sentence = f"{_pick(rng, _OPENINGS)} {person} {action} {thing}."
    elif kind == 2:
        sentence = f"{_pick(rng, _ADVICE)} {thing} {place}."
    elif kind == 3:
        sentence = f"{person} saw {_pick(rng, _NUMBERS)} {_pick(rng, _COUNTED)} {place}."
    elif kind == 4:
        second = (_pick(rng, words) for words in (_PEOPLE, _ACTIONS, _THINGS))
        sentence = f"{place}, {person} {action} {thing}, and {' '.join(second)}."
    else:
        numbers = [_pick(rng, _NUMBERS) for _ in range(rng.integers(3, 6))]
        sentence = f"{', '.join(numbers[:-1])} and {numbers[-1]} {_pick(rng, _COUNTED)}."
    return sentence[0].upper() + sentence[1:]


def sample_sentence(rng: np.random.Generator, *, held_out: bool = False) -> str:
    """Draw a sentence.

    Args:
        rng: source of chance.
        held_out: draw from the sentences that training never hears.
    """
    while True:
        sentence = WRITTEN[rng.integers(len(WRITTEN))] if rng.random() < 0.45 else _generated(rng)
        if is_held_out(sentence) == held_out:
            return sentence
