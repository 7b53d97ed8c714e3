<?php
// A request that takes a while, and may say something in the log.
usleep(1000 * (int) $_GET["ms"]);
if (isset($_GET["log"])) error_log("the traffic has come to request $_GET[log]");
