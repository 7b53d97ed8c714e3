<?php

for ($left = (int) $_GET['count']; $left > 0; $left--) {
    header("X-Field-$left: a value of some length");
}
echo count(getallheaders());
