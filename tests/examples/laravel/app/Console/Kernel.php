<?php

namespace App\Console;

class Kernel extends \Illuminate\Foundation\Console\Kernel
{
    protected function commands(): void
    {
        is_dir(__DIR__.'/Commands') && $this->load(__DIR__.'/Commands');
    }
}
