<?php

// Runs code within the app, and prints what it returns as JSON, or what it throws.
require __DIR__.'/vendor/autoload.php';
$app = require __DIR__.'/bootstrap/app.php';
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();

try {
    $said = eval($argv[1]);
} catch (Throwable $trouble) {
    $said = ['thrown' => class_basename($trouble), 'message' => $trouble->getMessage()];
}
echo json_encode($said), "\n";
