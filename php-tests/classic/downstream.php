<?php

// Answers with `pieces` pieces of `size` bytes. Each one is a letter of the alphabet, so that a reader can check them.

for ($piece = 0; $piece < (int) $_GET['pieces']; $piece++) {
    echo str_repeat(chr(97 + $piece % 26), (int) $_GET['size']);
}
