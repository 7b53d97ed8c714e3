<?php

// A page of 64 KiB as templates make it, in pieces.
for ($i = 0; $i < 1024; $i++) {
    echo '<p>The same paragraph, again and again: 64 bytes of text.</p>', "\n\n\n";
}
