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
        // From now on message_id is the manager's `msg_…`; for what was written on the phone itself, WhatsApp's.
        Schema::table('openwa_messages', function (Blueprint $table) {
            $table->string('whatsapp_message_id', 128)->nullable()->index();
            $table->string('reference', 128)->nullable()->index();
            $table->timestamp('sent_at')->nullable();
            $table->timestamp('delivered_at')->nullable();
            $table->timestamp('read_at')->nullable();
        });

        Schema::create('openwa_campaigns', function (Blueprint $table) {
            $table->id();
            $table->string('user_id')->index();
            $table->string('session_id', 63)->index();
            $table->string('name', 100);
            $table->text('template'); // JSON: {"text"} or {"image_url", "caption", "fallback_text"}
            $table->text('terms')->nullable(); // JSON: {"window", "send_after", "expires_at"}
            $table->string('status')->default('scheduled')->index();
            $table->unsignedInteger('attempts')->default(0);
            $table->timestamp('next_try_at')->nullable()->index();
            $table->string('error_code')->nullable();
            $table->text('error_detail')->nullable();
            $table->timestamps();
        });

        // One call to the manager each: at most 10,000 messages.
        Schema::create('openwa_campaign_batches', function (Blueprint $table) {
            $table->id();
            $table->foreignId('campaign_id')->constrained('openwa_campaigns')->cascadeOnDelete();
            $table->unsignedInteger('chunk');
            $table->string('name', 64)->unique(); // campaign-{id}-{chunk}: also the key of the call
            $table->string('batch_id', 64)->nullable()->unique();
            $table->unsignedInteger('accepted')->nullable();
            $table->text('counts')->nullable();
            $table->timestamp('estimated_at')->nullable();
            $table->string('told_at', 32)->nullable(); // the time of the newest event that was believed
            $table->timestamp('handed_over_at')->nullable();
            $table->timestamp('completed_at')->nullable();
            $table->timestamps();
            $table->unique(['campaign_id', 'chunk']);
        });

        Schema::create('openwa_campaign_messages', function (Blueprint $table) {
            $table->id();
            $table->foreignId('campaign_id')->constrained('openwa_campaigns')->cascadeOnDelete();
            $table->unsignedInteger('chunk');
            $table->unsignedInteger('position'); // within the chunk, from 0: what `rejected` of the answer counts
            $table->string('reference', 64)->unique();
            $table->string('to');
            $table->text('variables')->nullable();
            $table->string('status')->default('waiting')->index();
            $table->string('batch_id', 64)->nullable()->index();
            $table->string('manager_message_id', 64)->nullable()->unique();
            $table->string('whatsapp_message_id', 128)->nullable()->index();
            $table->string('error_code')->nullable();
            $table->text('error_detail')->nullable();
            $table->timestamp('sent_at')->nullable();
            $table->timestamp('delivered_at')->nullable();
            $table->timestamp('read_at')->nullable();
            $table->timestamps();
            $table->unique(['campaign_id', 'chunk', 'position']);
        });

        // Only to show: the manager itself writes to nobody on its list.
        Schema::create('openwa_opt_outs', function (Blueprint $table) {
            $table->id();
            $table->string('user_id');
            $table->string('contact', 64);
            $table->string('keyword');
            $table->timestamp('created_at');
            $table->unique(['user_id', 'contact']);
        });
    }

    public function down(): void
    {
        foreach (['openwa_opt_outs', 'openwa_campaign_messages', 'openwa_campaign_batches', 'openwa_campaigns'] as $table) {
            Schema::dropIfExists($table);
        }
        foreach (['whatsapp_message_id', 'reference', 'sent_at', 'delivered_at', 'read_at'] as $column) {
            if (in_array($column, ['whatsapp_message_id', 'reference'], true)) {
                Schema::table('openwa_messages', fn (Blueprint $table) => $table->dropIndex([$column]));
            }
            if (DB::connection()->getDriverName() === 'sqlite') { // for this Laravel 8 and 9 would ask for doctrine/dbal
                DB::statement('alter table "'.DB::getTablePrefix().'openwa_messages" drop column "'.$column.'"');
            } else {
                Schema::table('openwa_messages', fn (Blueprint $table) => $table->dropColumn($column));
            }
        }
    }
};
