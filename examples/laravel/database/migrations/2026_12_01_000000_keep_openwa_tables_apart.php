<?php

declare(strict_types=1);

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up(): void
    {
        Schema::table('openwa_sessions', function (Blueprint $table) {
            $table->timestamp('disconnected_at')->nullable(); // since when it is not connected; null: it is, or never was
            $table->timestamp('notified_at')->nullable(); // when its user was told of that
        });

        // Where this was a copied example before, the tables of campaigns had no name of their own yet.
        foreach (['campaigns', 'campaign_batches', 'campaign_messages'] as $name) {
            if (! Schema::hasTable("openwa_$name")) {
                Schema::rename($name, "openwa_$name");
            }
        }
    }

    public function down(): void
    {
        foreach (['disconnected_at', 'notified_at'] as $column) {
            if (DB::connection()->getDriverName() === 'sqlite') { // for this Laravel 8 and 9 would ask for doctrine/dbal
                DB::statement('alter table "'.DB::getTablePrefix().'openwa_sessions" drop column "'.$column.'"');
            } else {
                Schema::table('openwa_sessions', fn (Blueprint $table) => $table->dropColumn($column));
            }
        }
    }
};
