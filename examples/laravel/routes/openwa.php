<?php

use App\Http\Controllers\OpenWaCampaignController;
use App\Http\Controllers\OpenWaSessionController;
use App\Http\Controllers\OpenWaWebhookController;
use App\Http\Middleware\VerifyOpenWaSignature;
use Illuminate\Support\Facades\Route;

// Outside the group "web": the manager has no CSRF token, it has a signature.
Route::post('/webhooks/openwa', OpenWaWebhookController::class)->middleware(VerifyOpenWaSignature::class);

Route::middleware(config('openwa.middleware'))->prefix('openwa/sessions')->group(function () {
    Route::post('/', [OpenWaSessionController::class, 'store']);
    Route::get('/{sessionId}', [OpenWaSessionController::class, 'show']);
    Route::get('/{sessionId}/qr', [OpenWaSessionController::class, 'qr']);
    Route::post('/{sessionId}/messages', [OpenWaSessionController::class, 'send']);
    Route::delete('/{sessionId}', [OpenWaSessionController::class, 'destroy']);
});

Route::middleware(config('openwa.middleware'))->prefix('openwa/campaigns')->group(function () {
    Route::post('/', [OpenWaCampaignController::class, 'store']);
    Route::get('/{id}', [OpenWaCampaignController::class, 'show']);
    Route::patch('/{id}', [OpenWaCampaignController::class, 'update']);
    Route::delete('/{id}', [OpenWaCampaignController::class, 'destroy']);
});
