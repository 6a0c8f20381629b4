<?php

return [
    'default' => 'sqlite',
    'migrations' => 'migrations',
    'connections' => [
        'sqlite' => [
            'driver' => 'sqlite',
            'database' => base_path('database/database.sqlite'),
            'prefix' => '',
            'foreign_key_constraints' => true,
        ],
    ],
];
