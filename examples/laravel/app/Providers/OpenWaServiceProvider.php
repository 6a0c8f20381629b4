<?php

namespace App\Providers;

use App\Jobs\CheckSessionHealthJob;
use Illuminate\Console\Scheduling\Schedule;
use Illuminate\Support\ServiceProvider;

/** Everything there is to register; name it in config/app.php (Laravel ≤ 10) or bootstrap/providers.php (≥ 11). */
class OpenWaServiceProvider extends ServiceProvider
{
    public function boot(): void
    {
        $this->loadRoutesFrom(base_path('routes/openwa.php'));
        $this->callAfterResolving(Schedule::class, function (Schedule $schedule) {
            $schedule->job(new CheckSessionHealthJob)->everyMinute()->withoutOverlapping();
        });
    }
}
