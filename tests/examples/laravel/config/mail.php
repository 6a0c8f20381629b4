<?php

return ['default' => 'log', 'mailers' => ['log' => ['transport' => 'log']], 'from' => ['address' => 'app@example.com', 'name' => 'Example']];
