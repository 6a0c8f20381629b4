#!/usr/bin/env php
<?php

// `php bin/manage-openwa.php create <id>` is `php artisan openwa:manage create <id>`: for exec(), cron and an administrator.
$app = getenv('OPENWA_APP') ?: (isset($_composer_bin_dir) ? dirname($_composer_bin_dir, 2) : dirname(__DIR__));
require "$app/vendor/autoload.php";
$kernel = (require "$app/bootstrap/app.php")->make(Illuminate\Contracts\Console\Kernel::class);
exit($kernel->handle(new Symfony\Component\Console\Input\ArgvInput(['manage-openwa.php', 'openwa:manage', ...array_slice($argv, 1)])));
