<?php

declare(strict_types=1);

use Illuminate\Support\Facades\Route;
use OpenWaManager\Laravel\Http\OpenWaCampaignController;
use OpenWaManager\Laravel\Http\OpenWaSessionController;
use OpenWaManager\Laravel\Http\OpenWaWebhookController;
use OpenWaManager\Laravel\Http\VerifyOpenWaSignature;

// Outside the groups "web" (the manager has no CSRF token, it has a signature) and "api" (throttle:api would refuse events).
Route::post(config('openwa.webhook_path'), OpenWaWebhookController::class)
    ->middleware([VerifyOpenWaSignature::class, ...config('openwa.webhook_middleware')])
    ->name('openwa.webhook');

if (config('openwa.pages')) {
    Route::middleware(config('openwa.middleware'))->prefix(config('openwa.prefix'))->group(function () {
        Route::post('/sessions', [OpenWaSessionController::class, 'store']);
        Route::get('/sessions/{sessionId}', [OpenWaSessionController::class, 'show']);
        Route::get('/sessions/{sessionId}/qr', [OpenWaSessionController::class, 'qr']);
        Route::post('/sessions/{sessionId}/messages', [OpenWaSessionController::class, 'send']);
        Route::delete('/sessions/{sessionId}', [OpenWaSessionController::class, 'destroy']);
        Route::post('/campaigns', [OpenWaCampaignController::class, 'store']);
        Route::get('/campaigns/{id}', [OpenWaCampaignController::class, 'show']);
        Route::patch('/campaigns/{id}', [OpenWaCampaignController::class, 'update']);
        Route::delete('/campaigns/{id}', [OpenWaCampaignController::class, 'destroy']);
    });
}
