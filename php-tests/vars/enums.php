<?php

// The enums of the tests. A reader that does not include this file does not know them.

namespace Suit;

enum Pure
{
    case Hearts;
    case Spades;
}

enum Text: string
{
    case Hearts = 'h';
    case Spades = 's';
}

enum Number: int
{
    case One = 1;
}
