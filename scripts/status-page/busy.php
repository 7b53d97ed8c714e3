<?php
// A request that never ends, and passes by calls.
while (true) usleep(1000);
