<?php sleep(120);
