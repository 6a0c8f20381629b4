<?php

declare(strict_types=1);

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up(): void
    {
        Schema::create('openwa_sessions', function (Blueprint $table) {
            $table->string('session_id', 63)->primary();
            $table->string('user_id')->nullable()->index();
            $table->string('status')->default('creating')->index();
            $table->string('reason')->nullable();
            $table->string('phone_number')->nullable();
            $table->unsignedInteger('paired_launch')->default(0);
            $table->timestamp('last_heartbeat_at')->nullable();
            $table->timestamps();
        });

        // The unique id is what makes a second post of the same event harmless.
        Schema::create('openwa_processed_events', function (Blueprint $table) {
            $table->string('event_id', 64)->primary();
            $table->string('type');
            $table->timestamp('created_at')->index();
        });

        Schema::create('openwa_messages', function (Blueprint $table) {
            $table->string('message_id', 128)->primary();
            $table->string('session_id', 63)->index();
            $table->string('status');
            $table->string('error_code')->nullable();
            $table->timestamps();
        });
    }

    public function down(): void
    {
        Schema::dropIfExists('openwa_messages');
        Schema::dropIfExists('openwa_processed_events');
        Schema::dropIfExists('openwa_sessions');
    }
};
