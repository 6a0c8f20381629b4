<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up(): void
    {
        Schema::create('wa_sessions', function (Blueprint $table) {
            $table->id();
            $table->string('session_id')->unique();
            $table->string('status')->default('creating');
            $table->string('phone_number')->nullable();
            $table->string('ban_reason')->nullable();
            $table->timestamp('last_connected_at')->nullable();
            $table->timestamps();
        });
        Schema::create('campaign_messages', function (Blueprint $table) {
            $table->id();
            $table->string('to');
            $table->text('text');
            $table->string('status')->default('pending');
            $table->string('whatsapp_message_id')->nullable();
            $table->timestamp('delivered_at')->nullable();
            $table->timestamps();
        });
        Schema::create('signatures', fn (Blueprint $table) => $table->boolean('fits'));
    }
};
