<?php

namespace App\Providers;

use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Event;
use Illuminate\Support\ServiceProvider;
use OpenWaManager\Laravel\Events\AnyOpenWaEvent;

/** Notes which classes of events the app heard, but for what comes all the time. */
class TestServiceProvider extends ServiceProvider
{
    public function boot(): void
    {
        Event::listen(AnyOpenWaEvent::class, function (AnyOpenWaEvent $event) {
            if (! in_array($event->type, ['session.heartbeat', 'session.qr'], true)) {
                DB::table('told')->insert(['class' => class_basename($event), 'says' => json_encode(get_object_vars($event))]);
            }
        });
    }
}
