<?php

// Calls a method of OpenWaService with the arguments given, and prints which exception came and what it says.
require __DIR__.'/vendor/autoload.php';
$app = require __DIR__.'/bootstrap/app.php';
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();

foreach (array_slice($argv, 1) as $call) {
    [$method, $arguments] = json_decode($call, true);
    try {
        $said = [null, $app->make(OpenWaManager\Laravel\Services\OpenWaService::class)->{$method}(...$arguments)];
    } catch (OpenWaManager\Laravel\Exceptions\OpenWaException $refusal) {
        $said = [class_basename(get_parent_class($refusal)), class_basename($refusal), $refusal->errorCode, $refusal->retryAfterS];
    }
    echo json_encode($said), "\n";
}
