<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up(): void
    {
        Schema::create('users', function (Blueprint $table) {
            $table->id();
            $table->string('email')->nullable();
            $table->string('phone')->nullable();
        });
        Schema::create('told', function (Blueprint $table) { // what the app's own listeners heard
            $table->id();
            $table->string('class');
            $table->text('says');
        });
    }
};
