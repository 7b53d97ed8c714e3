<?php

return 'included';
