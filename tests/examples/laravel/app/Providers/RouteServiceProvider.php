<?php

namespace App\Providers;

use Illuminate\Cache\RateLimiting\Limit;
use Illuminate\Support\Facades\RateLimiter;
use Illuminate\Support\Facades\Route;
use Illuminate\Support\ServiceProvider;

/** As a new Laravel 8 has it, but for the limit, which is 1 a minute instead of 60. */
class RouteServiceProvider extends ServiceProvider
{
    public function boot(): void
    {
        RateLimiter::for('api', fn ($request) => Limit::perMinute(1)->by($request->ip()));
        foreach (['web' => '', 'api' => 'api'] as $group => $prefix) {
            if (is_file($file = base_path("routes/$group.php"))) {
                Route::middleware($group)->prefix($prefix)->group($file);
            }
        }
    }
}
