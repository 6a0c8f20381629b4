<?php

return ['default' => 'log', 'connections' => ['log' => ['driver' => 'log']]];
